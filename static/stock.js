// Adjusting stock with a scanner: the figure before it is done, the usual reason, from scan to scan without a mouse.
// The server does the same without this file.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const form = () => $("#adjust-form");
  const number = new Intl.NumberFormat(document.documentElement.lang);
  const USUAL = { in: "received", out: "", count: "counted" };
  const separator = number.format(1234).replace(/\d/g, "");

  const direction = () => $("input[name=direction]:checked", form()).value;
  const field = () => $("input[name=quantity]", form());
  function pieces() {
    const text = field().value.replace(/\s/g, "");
    const grouped = separator && new RegExp(`^\\d{1,3}(\\${separator}\\d{3})+$`);
    const plain = grouped?.test(text) ? text.replaceAll(separator, "") : text;
    return /^\d{1,13}$/.test(plain) ? Number(plain) : NaN;
  }

  function preview() {
    const { onHand, reserved } = form().dataset;
    const count = pieces();
    const after = { in: Number(onHand) + count, out: onHand - count, count }[direction()];
    const box = $("#preview");
    const refused = after < Number(reserved);
    $("[data-before]", box).textContent = number.format(onHand);
    $("[data-after]", box).textContent = Number.isNaN(after) ? "?" : number.format(after);
    $("[data-refused]", box).hidden = !refused;
    box.classList.toggle("bad", refused);
  }

  document.addEventListener("input", (event) => {
    if (form()?.contains(event.target)) preview();
  });
  document.addEventListener("change", (event) => {
    if (!form()?.contains(event.target)) return;
    const reason = $("select[name=reason]", form());
    if (event.target === reason) reason.dataset.chosen = "yes";
    // Another direction brings its usual reason, unless the person has chosen one.
    if (event.target.name === "direction" && !reason.dataset.chosen) reason.value = USUAL[event.target.value];
    preview();
  });
  document.addEventListener("click", (event) => {
    const step = event.target.closest("[data-step]");
    if (!step) return;
    field().value = Math.max(0, (pieces() || 0) + Number(step.dataset.step));
    preview();
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("#code, #adjust-form input[name=quantity]")) event.target.select();
  });

  function ready() {
    const present = form();
    if (!present) return $("#code")?.focus();
    preview();
    ($("[aria-invalid=true]", present) || field()).focus();
  }
  document.addEventListener("htmx:after:swap", (event) => {
    if (!$("#palette")?.open) ready();
  });
  addEventListener("pageshow", ready);
})();
