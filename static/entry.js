// Order entry at the speed of hands: comboboxes, scan -> quantity -> Enter -> scan, running total, shortages while typing.
// The server does the same without this file; here it only happens sooner.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const LARGEST = 1_000_000;
  const money = new Intl.NumberFormat(document.documentElement.lang, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const brl = (cents) => `R$\u00a0${money.format(cents / 100)}`;
  const form = () => $("#entry");
  const code = () => $("#code");

  // --- the running total and the shortages
  function pieces(row) {
    const text = $("input[name=quantity]", row).value.trim();
    return /^\d{1,7}$/.test(text) ? Number(text) : NaN;
  }
  function update() {
    const rows = $$("#lines > tr");
    let total = 0;
    let short = 0;
    for (const row of rows) {
      const count = pieces(row);
      const subtotal = (count || 0) * Number(row.dataset.cents);
      const isShort = count > Number(row.dataset.available);
      const isWrong = !(count >= 1 && count <= LARGEST);
      total += subtotal;
      short += isShort;
      $("[data-subtotal]", row).textContent = brl(subtotal);
      $("[data-short]", row).hidden = !isShort;
      row.classList.toggle("is-short", isShort || isWrong);
      const input = $("input[name=quantity]", row);
      if (isWrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
    $("[data-total]").textContent = brl(total);
    $("[data-line-count]").textContent = rows.length;
    $("[data-short-note]").hidden = !short;
    $("[data-empty]").hidden = rows.length > 0;
  }

  // --- comboboxes (WAI-ARIA: the field keeps the focus, the list is marked)
  const listOf = (field) => document.getElementById(field.getAttribute("aria-controls"));
  const options = (list) => $$("[role=option]", list);
  const marked = (list) => $("[aria-selected=true]", list);

  function close(field) {
    const list = listOf(field);
    if (list) list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }
  function mark(field, option) {
    options(listOf(field)).forEach((other) => other.setAttribute("aria-selected", String(other === option)));
    if (!option) return;
    field.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }
  function opened(field) {
    const list = listOf(field);
    if (document.activeElement !== field || !field.value.trim() || !options(list).length) return close(field);
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    mark(field, marked(list) || options(list)[0]);
  }
  // A list counts only for the text it was asked for: a scanner sends Enter before the answer is there.
  const fresh = (field) => listOf(field).dataset.typed === field.value.trim();

  function choose(field, option) {
    if (field.dataset.combo === "customer") {
      const hidden = document.createElement("input");
      hidden.type = "hidden";
      hidden.name = "customer";
      hidden.value = option.dataset.value;
      form().append(hidden);
      close(field);
      $("[data-choose-customer]").click();
    } else {
      field.value = option.dataset.value;
      add(field);
    }
  }
  function add(field) {
    close(field);
    field.dataset.sent = field.value;
    $("[data-add]").click();
  }

  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-combo]")) delete event.target.dataset.sent;
    if (event.target.matches("#code")) $("#scan-problem").hidden = true;
    if (event.target.matches("#lines input[name=quantity]")) update();
  });

  document.addEventListener("keydown", (event) => {
    const field = event.target;
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && form()) {
      event.preventDefault();
      return $("[data-place]").click();
    }
    if (field.matches?.("#lines input[name=quantity]")) {
      if (event.key === "Enter") {
        event.preventDefault();
        code().focus();
      } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        const inputs = $$("#lines input[name=quantity]");
        const next = inputs[inputs.indexOf(field) + (event.key === "ArrowDown" ? 1 : -1)];
        if (next) {
          event.preventDefault();
          next.focus();
        }
      } else if (event.key === "Delete" && event.ctrlKey) {
        event.preventDefault();
        remove(field.closest("tr"));
      }
      return;
    }
    if (!field.matches?.("[data-combo]")) return;
    const list = listOf(field);
    const all = options(list);
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !list.hidden && all.length) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : all.length - 1;
      mark(field, all[(all.indexOf(marked(list)) + step) % all.length]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close(field);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const option = !list.hidden && fresh(field) ? marked(list) : null;
      if (option) choose(field, option);
      else if (field.dataset.combo === "product" && field.value.trim()) add(field);
      else if (field.dataset.combo === "customer" && field.value.trim()) $("[data-choose-customer]").click();
    }
  });
  document.addEventListener("mousedown", (event) => {
    const option = event.target.closest("[data-combo] ~ .options [role=option]");
    if (option) {
      event.preventDefault();
      choose($("[data-combo]", option.closest(".combo")), option);
    } else $$("[data-combo]").forEach((field) => field.closest(".combo").contains(event.target) || close(field));
  });

  // --- lines
  function remove(row) {
    row.remove();
    update();
    code().focus();
  }
  document.addEventListener("click", (event) => {
    const row = event.target.closest("#lines > tr");
    if (row && event.target.closest("[data-remove]")) {
      event.preventDefault();
      remove(row);
    } else if (row && event.target.closest("[data-take-available]")) {
      const input = $("input[name=quantity]", row);
      input.value = row.dataset.available;
      if (row.dataset.available === "0") remove(row);
      else {
        update();
        input.focus();
      }
    }
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("#lines input[name=quantity]")) event.target.select();
  });
  // The answer of a scan: a product that is there already gets one more, a new one waits for its quantity.
  document.addEventListener("line:added", (event) => {
    requestAnimationFrame(() => {
      const [first, second] = $$(`#lines > tr[id="line-${event.detail.id}"]`);
      if (!first) return;
      const input = $("input[name=quantity]", first);
      if (second) {
        second.remove();
        input.value = (pieces(first) || 0) + 1;
      }
      const field = code();
      field.value = "";
      close(field);
      update();
      input.focus();
      first.scrollIntoView({ block: "nearest" });
    });
  });
  // "SKU;qty" lines pasted where codes are typed go the way of pasted lines.
  document.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text").trim();
    if (!event.target.matches("#code") || !/[\n;\t]/.test(text)) return;
    event.preventDefault();
    $("#pasted").value = text;
    $("[data-paste]").click();
  });

  // --- after each swap
  document.addEventListener("htmx:after:swap", () => {
    if (!form()) return;
    for (const field of $$("[data-combo]")) {
      if (field.dataset.sent === field.value) close(field);
      else opened(field);
    }
    update();
    const problems = $("#problems");
    if (problems && !problems.dataset.seen) {
      problems.dataset.seen = "yes";
      problems.focus();
    }
  });
  document.addEventListener("htmx:after:settle", () => {
    if (form() && document.activeElement === document.body) $("[autofocus]", form())?.focus();
  });
  // One sending is enough: the button rests until the answer (the key in the form makes a second harmless anyway).
  document.addEventListener("submit", (event) => {
    if (event.target !== form()) return;
    const button = event.submitter;
    if (button?.matches("[data-place]")) setTimeout(() => (button.disabled = true));
  });
  addEventListener("pageshow", () => {
    if (!form()) return;
    $("[data-place]").disabled = false;
    update();
  });
})();
