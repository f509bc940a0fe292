// What stands around every page: Ctrl+K, the help sheet, the bell, the end of a session, no network.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const palette = $("#palette");
  if (!palette) return; // nobody is signed in

  const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
  // Storage may be forbidden; a choice then holds until the page is left.
  const memory = new Map();
  const keep = (name, value) => {
    memory.set(name, value);
    try {
      localStorage.setItem(name, value);
    } catch {}
  };
  const kept = (name) => {
    if (memory.has(name)) return memory.get(name);
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  };

  // --- the palette
  const field = $(".palette-field", palette);
  const choices = () => $$("a[role=option]", palette);
  const chosen = () => $("[aria-selected=true]", palette);
  // Do the choices answer what stands in the field now?
  const answered = () => $(".palette-choices", palette).dataset.typed === field.value;
  const ask = () => field.dispatchEvent(new Event("ask-now"));
  let moved = null; // where the choice leads that an arrow has moved to since something was typed
  let wanted = false; // by Enter, before the answer was there

  function choose(option) {
    choices().forEach((each) => each.setAttribute("aria-selected", each === option));
    if (option) field.setAttribute("aria-activedescendant", option.id);
    else field.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  }

  function openPalette() {
    if (palette.open) return;
    field.value = "";
    [moved, wanted] = [null, false];
    palette.showModal();
    field.focus();
    ask();
  }

  field.addEventListener("input", () => ([moved, wanted] = [null, false]));
  // Opened before htmx listened here.
  field.addEventListener("htmx:after:init", () => palette.open && ask());
  document.addEventListener("htmx:after:swap", () => {
    if (!palette.open || chosen()) return; // closed, or something else of the page was swapped
    // An answer that comes late does not take back what an arrow has chosen.
    const again = choices().find((each) => each.href === moved);
    if (!again) moved = null;
    choose(again || choices()[0]);
    if (wanted && answered()) chosen()?.click();
  });
  palette.addEventListener("keydown", (event) => {
    const all = choices();
    const at = all.indexOf(chosen());
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (to !== undefined && all.length) {
      event.preventDefault();
      choose(all[(to + all.length) % all.length]);
      moved = chosen().href;
    } else if (event.key === "Enter") {
      event.preventDefault(); // without a choice there is nowhere to go yet
      if (moved || answered()) return chosen()?.click();
      // Typed faster than it was answered: the first choice is still that of what stood here before.
      wanted = true;
      ask();
    }
  });

  // --- the help sheet: only what works on this page
  const help = $("#help");
  const NAMES = { Enter: "Enter", Escape: "Esc" };

  function openHelp() {
    $$("[data-when]", help).forEach((row) => (row.hidden = !$(row.dataset.when)));
    $$(".from-page", help).forEach((row) => row.remove());
    const listed = new Set();
    for (const target of $$("[data-key]")) {
      const { key } = target.dataset;
      const words = (target.getAttribute("aria-label") || [...target.childNodes].filter((node) => node.nodeName !== "KBD").map((node) => node.textContent).join(" ")).trim();
      if (listed.has(key) || !words || !target.checkVisibility()) continue;
      listed.add(key);
      const row = $("#help-key").content.cloneNode(true).firstElementChild;
      row.classList.add("from-page");
      $("kbd", row).textContent = NAMES[key] || key.toUpperCase();
      $("dd", row).textContent = words;
      $("#help-keys").append(row);
    }
    if (!help.open) help.showModal();
  }

  const oneKey = $("#one-key");
  const applyKeys = () => {
    oneKey.checked = kept("keys") !== "off";
    document.documentElement.dataset.keys = oneKey.checked ? "on" : "off";
  };
  oneKey.addEventListener("change", () => {
    keep("keys", oneKey.checked ? "on" : "off");
    applyKeys();
  });
  applyKeys();

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (!$("dialog[open]")) openPalette();
    } else if (event.key === "?" && !event.ctrlKey && !event.metaKey && !event.altKey) {
      if (!oneKey.checked || event.target.matches(TYPING) || $("dialog[open]")) return;
      event.preventDefault();
      openHelp();
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-open-palette]")) {
      event.preventDefault(); // without a script it is a link to the palette's page
      openPalette();
    }
    if (event.target.closest("[data-open-help]")) openHelp();
    // A click beside a dialog closes it.
    if (event.target === palette || event.target === help) event.target.close();
  });

  // --- the bell: a dot until the newest notice was looked at in this browser
  const dot = $("#bell-dot");
  const latest = () => $("#bell")?.dataset.latest || "";
  const showDot = () => dot && (dot.hidden = !latest() || Number(latest()) <= Number(kept("notice") || 0));
  document.addEventListener("htmx:after:swap", showDot);
  $("#notices")?.addEventListener("toggle", (event) => {
    if (event.newState !== "open" || !latest()) return;
    keep("notice", latest());
    showDot();
  });

  // --- the session ended while the page was open: sign in elsewhere, go on here
  const signedOut = $("#signed-out");
  document.addEventListener("session-ended", () => signedOut.open || signedOut.showModal());

  async function comeBack(message, level) {
    const me = await fetch(signedOut.dataset.me, { headers: { Accept: "application/json" } });
    if (!me.ok) return signedOut.open || signedOut.showModal();
    // Somebody else signed in: nothing of this page is theirs.
    if (String((await me.json()).id) !== document.body.dataset.user) return location.reload();
    const { csrf_token: token } = await (await fetch(signedOut.dataset.token)).json();
    document.body.setAttribute("hx-headers:inherited", JSON.stringify({ "X-CSRFToken": token }));
    $$("input[name=csrfmiddlewaretoken]").forEach((input) => (input.value = token));
    signedOut.close();
    document.dispatchEvent(new CustomEvent("toast", { detail: { message, level } }));
  }
  function tryToComeBack() {
    if (!signedOut.open || document.visibilityState !== "visible") return;
    comeBack(signedOut.dataset.back).catch(() => {}); // no network: the next return to the tab tries again
  }
  addEventListener("focus", tryToComeBack);
  document.addEventListener("visibilitychange", tryToComeBack);
  // Signed in again in another tab, before this page noticed the end: its token is of the session before.
  document.addEventListener("token-rotated", () => comeBack(signedOut.dataset.again, "warning").catch(() => {}));

  // --- no network
  const offline = $("#offline");
  const showNetwork = () => (offline.hidden = navigator.onLine);
  addEventListener("online", showNetwork);
  addEventListener("offline", showNetwork);
  showNetwork();
})();
