// The desk by keyboard: single keys, walking the rows of a list, selecting them, printing. Delegated events only.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Fast hands type before htmx listens (it starts in a task of its own): that is searched and checked too.
  addEventListener("pageshow", () => {
    setTimeout(() => {
      $$("#q, input[name$=cpf_cnpj]").forEach((field) => {
        if (field.value !== field.defaultValue) field.dispatchEvent(new Event("input", { bubbles: true }));
      });
    });
  });

  // --- selecting rows
  function syncSelection() {
    const boxes = $$("input[name=ids]");
    const chosen = boxes.filter((box) => box.checked).length;
    boxes.forEach((box) => box.closest("tr").classList.toggle("is-selected", box.checked));
    const bar = $("[data-bulk]");
    if (!bar) return;
    bar.classList.toggle("is-open", chosen > 0);
    $("[data-bulk-count]", bar).textContent = chosen;
    $$("[data-bulk-words]", bar).forEach((words) => (words.hidden = (words.dataset.bulkWords === "one") !== (chosen === 1)));
    // Only the steps that one of the chosen orders can take.
    const states = new Set(boxes.filter((box) => box.checked).map((box) => box.closest("tr").dataset.status));
    $$("[data-from]", bar).forEach((button) => (button.hidden = !button.dataset.from.split(" ").some((from) => states.has(from))));
    const all = $("[data-check-all]");
    if (all) {
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
    }
  }
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-check-all]")) $$("input[name=ids]").forEach((box) => (box.checked = event.target.checked));
    if (event.target.matches("[data-check-all], input[name=ids]")) syncSelection();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-bulk-clear]")) {
      $$("input[name=ids]").forEach((box) => (box.checked = false));
      syncSelection();
    }
    if (event.target.closest("[data-print]")) window.print();
    // A filter's panel closes when the click is elsewhere.
    $$("details.filter[open]").forEach((panel) => panel.contains(event.target) || (panel.open = false));
  });

  // A button that asks for a reason: asked here, so that the ticks and the question stay. `required` would hold back the
  // other buttons of the form, too, where nobody sees the field.
  document.addEventListener("click", (event) => {
    const { form, dataset } = event.target.closest("button") ?? {};
    const field = form && form.elements[$("[data-asks]", form)?.dataset.asks];
    field?.setCustomValidity(dataset.asks && !field.value.trim() ? dataset.empty : "");
  });

  // --- filters: a button that holds something back is marked
  function syncFilters() {
    for (const panel of $$(".filters details.filter")) {
      const isOn = $$("input", panel).some((input) => (input.type === "checkbox" ? input.checked : input.value));
      $("summary", panel).classList.toggle("is-on", isOn);
    }
    for (const link of $$("[data-periods] a")) {
      const [first, last] = $$("input", link.closest("[data-span]"));
      if (first.value === link.dataset.first && last.value === link.dataset.last) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }
  document.addEventListener("change", (event) => event.target.closest(".filters") && syncFilters());

  // A span of days by its name goes into the fields, and out again when it is pressed once more. Without a script it is a link.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-periods] a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const isOn = link.hasAttribute("aria-current");
    const [first, last] = $$("input", link.closest("[data-span]"));
    first.value = isOn ? "" : link.dataset.first;
    last.value = isOn ? "" : link.dataset.last;
    last.dispatchEvent(new Event("change", { bubbles: true }));
  });
  // A page that stays open all night knows the spans of yesterday.
  let day = new Date().toDateString();
  async function renewPeriods() {
    const today = new Date().toDateString();
    if (day === today) return;
    const answer = await fetch(location.href);
    const fresh = $$("[data-periods]", new DOMParser().parseFromString(await answer.text(), "text/html"));
    if (!fresh.length) return; // signed out
    $$("[data-periods]").forEach((old, index) => old.replaceWith(fresh[index]));
    day = today;
    syncFilters();
  }
  document.addEventListener("toggle", ({ target }) => {
    if (target.open && $("[data-periods]", target)) renewPeriods().catch(() => {}); // no network: those of before
  }, true);

  // What is empty stays out of the address. Looking for the same again is no step for Back, nor is each
  // pause while a word is typed: the first takes the step, the others correct it.
  let isWord = false; // the latest request came from typing
  let isStep = false; // and the history has an address of that word
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (!ctx.sourceElement.matches(".filters")) {
      isWord = isStep = false;
      return;
    }
    const { body } = ctx.request;
    for (const [name, value] of [...body]) if (!value) body.delete(name);
    if (new URLSearchParams(body).toString() === location.search.slice(1)) return event.preventDefault();
    isWord = ctx.sourceEvent?.type === "input";
    isStep &&= isWord;
    if (isStep) [ctx.push, ctx.replace] = [null, "true"];
  });
  document.addEventListener("htmx:after:history:push", () => (isStep = isWord));

  // --- from record to record, in the order of the list one came from and over the ends of its pages
  const WALK = "walk"; // in this tab: {rows: [[path, page of the list], ...], prev: page before, next: page after}
  const addressOf = (link, base) => link && new URL(link.getAttribute("href"), base).href;
  const readPage = (root, list) => ({
    rows: $$("[data-row] .key a", root).map((link) => [new URL(link.getAttribute("href"), list).pathname, list]),
    prev: addressOf($(".pager [rel=prev]", root), list),
    next: addressOf($(".pager [rel=next]", root), list),
  });
  function storeWalk(walk) {
    try {
      sessionStorage.setItem(WALK, JSON.stringify(walk));
    } catch {} // storage may be forbidden: then the walk follows the numbers
  }
  function keepWalk() {
    const page = readPage(document, location.href);
    if (page.rows.length) storeWalk(page);
  }
  // The list may have moved on since: what it shows again is walked once.
  async function reachOver(walk, rel) {
    const list = walk[rel];
    const response = await fetch(list);
    const page = readPage(new DOMParser().parseFromString(await response.text(), "text/html"), list);
    const known = new Set(walk.rows.map(([path]) => path));
    const rows = page.rows.filter(([path]) => !known.has(path));
    walk.rows = rel === "next" ? [...walk.rows, ...rows] : [...rows, ...walk.rows];
    walk[rel] = page[rel];
    storeWalk(walk);
  }
  async function followWalk() {
    const nav = $("[data-walk]");
    if (!nav) return;
    let walk = null;
    try {
      walk = JSON.parse(sessionStorage.getItem(WALK));
    } catch {}
    const here = () => walk.rows.findIndex(([path]) => path === location.pathname);
    if (!walk || here() < 0) return;
    $("[data-walk-list]").href = walk.rows[here()][1];
    for (const [rel, step] of [["prev", -1], ["next", 1]]) {
      const link = $(`[rel=${rel}]`, nav);
      link.removeAttribute("href");
      link.hidden = true;
      if (!walk.rows[here() + step] && walk[rel]) await reachOver(walk, rel).catch(() => {}); // no network, no further
      const [path] = walk.rows[here() + step] ?? [];
      if (path) link.href = path;
      link.hidden = !path;
    }
  }

  // --- keys
  const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
  let row = -1;

  function walk(step) {
    const rows = $$("[data-row]");
    if (!rows.length) return;
    row = Math.max(0, Math.min(rows.length - 1, row + step));
    rows.forEach((each, index) => each.classList.toggle("is-here", index === row));
    $("a", rows[row])?.focus({ preventScroll: true });
    rows[row].scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const panel of $$("details.filter[open]")) {
        panel.open = false;
        if (panel.contains(event.target)) $("summary", panel).focus();
      }
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || $("dialog[open], [popover]:popover-open")) return;
    // Out of the search and into the rows: Enter, or Escape once it is empty.
    if (event.target.matches("input[type=search]") && (event.key === "Enter" || (event.key === "Escape" && !event.target.value))) {
      setTimeout(() => event.target.blur());
    }
    if (event.target.matches(TYPING) || document.documentElement.dataset.keys === "off") return;
    if (event.key === "j") walk(1);
    else if (event.key === "k") walk(-1);
    else if (event.key === "x" && row >= 0) $("input[type=checkbox]", $$("[data-row]")[row])?.click();
    else if (!event.repeat) {
      const target = $(`[data-key="${CSS.escape(event.key)}"]`);
      if (!target || target.closest("[inert]")) return;
      event.preventDefault();
      if (target.matches("input")) {
        target.focus();
        target.select();
      } else target.click();
    }
  });

  // What opens with a field is there to be filled in: "a reason" typed beside it would be the page's keys A, E and S.
  document.addEventListener("toggle", ({ target, newState }) => {
    if (newState !== "open" || !target.matches("[popover]") || target.contains(document.activeElement)) return;
    $(".form-control, .form-select", target)?.focus();
  }, true);

  // --- after each swap, and when the page comes up
  function syncForms() {
    syncSelection();
    syncFilters();
  }
  function ready() {
    if (!$$("[data-row]")[row]?.matches(".is-here")) row = -1;
    syncForms();
    keepWalk();
    followWalk();
    const refused = $("[popover][data-reopen]");
    if (!refused) return;
    refused.removeAttribute("data-reopen");
    refused.showPopover({ source: $(`[popovertarget="${refused.id}"]`) }); // at its button
    $("[aria-invalid=true]", refused)?.focus();
  }

  // What had the focus may be swapped away. Then the hands go on where they were: at the sorted column, at the top of
  // the next page, at the mistake in a form, at the heading of the order that has moved on.
  let was = null; // the element that had the focus
  // Milliseconds after an answer in which a press belongs to the one before: impatient hands press about once a second.
  const DOUBLE = 1200;
  document.addEventListener("htmx:before:swap", () => (was = document.activeElement));
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    ready();
    const region = ctx.target?.id && document.getElementById(ctx.target.id);
    // A double press is one, and so is one more because nothing seemed to happen: it would meet the next step, which
    // has no way back, or what has moved under the pointer.
    const actions = region && $("[data-rests]", region);
    if (actions) {
      actions.inert = true;
      setTimeout(() => (actions.inert = false), DOUBLE);
    }
    if (!region || was?.isConnected || document.activeElement !== document.body) return;
    const place = $("[aria-invalid=true]", region) || (was.closest("th") && $("th[aria-sort] a", region)) || $("h1", region) || region;
    if (!place.matches("a, .form-control, .form-select")) place.tabIndex = -1;
    place.focus({ preventScroll: true });
    if (was.closest(".pager")) scrollTo(0, 0);
  });
  document.addEventListener("htmx:after:history:push", keepWalk);
  // What was ticked is ticked again after Back, by the browser, and only by now.
  addEventListener("pageshow", (event) => (event.persisted ? ready() : syncForms()));
  // "All" may have been ticked before this file was there.
  if ($("[data-check-all]:checked") && !$("input[name=ids]:checked")) $$("input[name=ids]").forEach((box) => (box.checked = true));
  ready(); // before the first key is heard
})();
