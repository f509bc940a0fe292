// The desk by keyboard: single keys, walking the rows of a list, selecting them, printing. Delegated events only.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  // --- selecting rows
  function syncSelection() {
    const boxes = $$("input[name=ids]");
    const chosen = boxes.filter((box) => box.checked).length;
    boxes.forEach((box) => box.closest("tr").classList.toggle("is-selected", box.checked));
    const bar = $("[data-bulk]");
    if (!bar) return;
    bar.classList.toggle("is-open", chosen > 0);
    $("[data-bulk-count]", bar).textContent = chosen;
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
  document.addEventListener("htmx:after:swap", syncSelection);
  addEventListener("pageshow", syncSelection);

  // --- keys
  const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
  let here = -1;

  function walk(step) {
    const rows = $$("[data-row]");
    if (!rows.length) return;
    here = Math.max(0, Math.min(rows.length - 1, here + step));
    rows.forEach((row, index) => row.classList.toggle("is-here", index === here));
    rows[here].scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") $$("details.filter[open]").forEach((panel) => (panel.open = false));
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.matches(TYPING) || $("dialog[open]") || document.documentElement.dataset.keys === "off") return;
    const row = $$("[data-row]")[here];
    if (event.key === "j") walk(1);
    else if (event.key === "k") walk(-1);
    else if (event.key === "x" && row) $("input[type=checkbox]", row)?.click();
    else if (event.key === "Enter" && row && event.target === document.body) $("a", row)?.click();
    else {
      if (event.key === "Enter" && event.target !== document.body) return;
      const target = $(`[data-key="${CSS.escape(event.key)}"]`);
      if (!target) return;
      event.preventDefault();
      if (target.matches("input")) {
        target.focus();
        target.select();
      } else target.click();
    }
  });
})();
