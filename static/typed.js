// What was typed into a form that the server did not take: the session had ended, or somebody had signed in again
// since the page was made. It waits in this tab until the same person is back at the form. What htmx sends needs none
// of this: its page stays (frame.js).
(() => {
  const TYPED = "typed"; // {user, page, action, fields: [[name, value], ...], hasSecret, is: "sent" | "lost" | "back"}
  const SECRET = "[type=password], [autocomplete$=password], [autocomplete=one-time-code]";
  const CONTROL = "input:not([type=submit]), select, textarea";
  const FRESH = ["csrfmiddlewaretoken", "idempotency_key"]; // each page brings its own
  const SEEN = ["version", "opened", "expected"]; // what the person went by: a change since then is told, not written over
  const { user } = document.body.dataset;
  const here = () => location.pathname + location.search; // htmx changes it

  function read() {
    try {
      return JSON.parse(sessionStorage.getItem(TYPED));
    } catch {
      return null; // storage may be forbidden
    }
  }
  function write(kept) {
    try {
      if (kept) sessionStorage.setItem(TYPED, JSON.stringify(kept));
      else sessionStorage.removeItem(TYPED);
    } catch {}
  }

  // Not form.action: a button of that name would answer.
  const actionOf = (form) => new URL(form.getAttribute("action") || "", location.href).pathname;
  const controlsOf = (form) => [...form.elements].filter((each) => each.name && each.matches(CONTROL));
  const isTyped = (control) => !control.matches(`[type=hidden], [type=file], ${SECRET}`);
  function fieldsOf(form) {
    const controls = controlsOf(form).filter((each) => isTyped(each) || (each.type === "hidden" && !FRESH.includes(each.name)));
    const names = new Set(controls.map((each) => each.name));
    return [...new FormData(form)].filter(([name]) => names.has(name));
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    // A button with an address of its own fetches a file: the page stays.
    if (!user || event.defaultPrevented || form.method !== "post" || event.submitter?.hasAttribute("formaction")) return;
    const controls = controlsOf(form);
    if (!controls.some(isTyped)) return write(null); // signing out is one of these
    const hasSecret = controls.some((each) => each.matches(SECRET) && each.value);
    write({ user, page: here(), action: actionOf(form), fields: fieldsOf(form), hasSecret, is: "sent" });
  });

  // The same form about the same record.
  function isItsForm(form, { action, fields }) {
    const controls = controlsOf(form);
    const marks = controls.filter((each) => each.type === "hidden" && ![...FRESH, ...SEEN].includes(each.name));
    return form.method === "post" && actionOf(form) === action && controls.some(isTyped)
      && marks.every((mark) => fields.some(([name, value]) => name === mark.name && value === mark.value));
  }
  function putBack({ fields, hasSecret, ...kept }) {
    const form = [...document.forms].find((each) => isItsForm(each, { fields, ...kept }));
    if (!form) return;
    for (const control of controlsOf(form)) {
      const values = fields.filter(([name]) => name === control.name).map(([, value]) => value);
      if (control.matches("[type=checkbox], [type=radio]")) control.checked = values.includes(control.value);
      else if (values.length && (isTyped(control) || SEEN.includes(control.name))) [control.value] = values;
    }
    const { putBack: said, putBackWithoutPassword } = document.getElementById("toasts").dataset;
    const message = hasSecret ? putBackWithoutPassword : said;
    document.dispatchEvent(new CustomEvent("toast", { detail: { level: "warning", message } }));
  }

  const kept = read();
  if (!kept) return;
  const notTaken = document.querySelector("[data-not-taken]");
  if (kept.is === "sent" && notTaken) kept.is = "lost";
  if (!user) write(kept); // on the way through the sign-in
  else if (kept.user !== user || kept.is === "sent" || (kept.is === "back" && kept.page !== here())) write(null);
  else {
    write({ ...kept, is: "back" });
    if (notTaken || kept.page !== here()) location.replace(kept.page);
    else putBack(kept);
  }
})();
