// What pages need beyond htmx: messages, buttons at work, the theme choice, passwords shown on request. Events are delegated
// to the document, so swapped-in parts work too; no inline handlers, no eval, so the strict CSP holds.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  // --- messages
  const SHOWN_FOR = 6000; // milliseconds; a refusal stays until it is closed
  const toasts = $("#toasts");
  const words = toasts.dataset;

  function retire(toast) {
    if (["danger", "error", "warning"].includes(toast.dataset.level)) return;
    let timer = setTimeout(() => toast.remove(), SHOWN_FOR);
    const hold = () => clearTimeout(timer);
    const release = () => {
      hold();
      timer = setTimeout(() => toast.remove(), SHOWN_FOR);
    };
    toast.addEventListener("pointerenter", hold);
    toast.addEventListener("focusin", hold);
    toast.addEventListener("pointerleave", release);
    toast.addEventListener("focusout", release);
  }

  function show({ message, level = "success", isOwn = false }) {
    const toast = $("#toast-template").content.cloneNode(true).firstElementChild;
    toast.dataset.level = level;
    toast.toggleAttribute("data-own", isOwn);
    $("[data-message]", toast).textContent = message;
    // Said again, not said twice: without a network each word typed would add a line of its own.
    const old = [message, isOwn && words.offline];
    $$(".toast-line", toasts).filter((other) => old.includes($("[data-message]", other).textContent)).forEach((other) => other.remove());
    toasts.append(toast);
    retire(toast);
  }

  // The answer's HX-Trigger header: {"toast": {"level": "success", "message": "Saved"}}
  document.addEventListener("toast", (event) => show(event.detail));
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close-toast]")) event.target.closest(".toast-line").remove();
  });
  $$(".toast-line", toasts).forEach(retire);

  // --- two answers close together: where the first has replaced what the second was to replace, htmx would drop
  // the second, which is the newer. It goes where its place is now.
  document.addEventListener("htmx:after:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.target?.id && !ctx.target.isConnected) ctx.target = document.getElementById(ctx.target.id) ?? ctx.target;
  });

  // --- answers htmx does not swap in: say what happened, unless the server already did
  document.addEventListener("htmx:response:error", (event) => {
    const { response } = event.detail.ctx;
    if (response.status === 422 || response.headers.has("HX-Trigger") || response.headers.has("HX-Redirect")) return;
    const refused = { 401: words.signedOut, 403: words.forbidden, 404: words.missing, 429: words.tooMany };
    show({ level: "danger", message: refused[response.status] || words.failed });
  });
  document.addEventListener("htmx:error", (event) => {
    if (event.detail.error?.name === "AbortError") return; // replaced by a newer request
    const { error } = event.detail;
    // A request that was sent may have been done: a form that knows better says so itself.
    const own = event.target.closest?.("[data-no-answer]")?.dataset.noAnswer;
    if (error instanceof TypeError || error === "timeout") {
      // While that stands there, a look-up without an answer adds nothing to it.
      if (own || !$("[data-own]", toasts)) show({ level: "danger", message: own || words.offline, isOwn: Boolean(own) });
    } else console.error(error);
  });

  // --- at work: what was sent is sent once, and where the answer takes its time the pressed button says so
  const QUICK = 150; // milliseconds; an answer within them needs no sign, it would only flicker
  // Milliseconds after which a plain form may be sent again: nothing tells in every browser that its page was stopped.
  const PATIENCE = 15_000;
  const works = new Map(); // the form or button that was sent -> {by: request of htmx or event, at, button, timer}

  function begin(place, by, button) {
    end(place, works.get(place)?.by);
    const timer = setTimeout(() => button?.setAttribute("aria-busy", "true"), QUICK);
    works.set(place, { by, at: Date.now(), button, timer });
  }
  function end(place, by) {
    const work = works.get(place);
    if (!work || work.by !== by) return;
    works.delete(place);
    clearTimeout(work.timer);
    work.button?.removeAttribute("aria-busy");
  }
  const endAll = () => works.forEach(({ by }, place) => end(place, by));

  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    const place = ctx.sourceElement;
    if (ctx.request.method === "GET" || !place.matches("form,button")) return;
    if (works.has(place)) event.preventDefault(); // answered, and on the way to another page
    else begin(place, ctx, ctx.request.submitter ?? (place.matches("button") ? place : null));
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (!ctx.response?.headers.has("HX-Redirect")) end(ctx.sourceElement, ctx);
  });
  // At the window: whoever wants to hold the form back has done so.
  addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    // A file is fetched without leaving the page: nothing tells when it is there.
    if (event.defaultPrevented || form.method !== "post" || submitter?.matches("[data-download]")) return;
    if (Date.now() - works.get(form)?.at < PATIENCE) event.preventDefault();
    else begin(form, event, submitter);
  });
  // The page was stopped on its way, or it is shown again after Back.
  window.navigation?.addEventListener("navigateerror", endAll);
  addEventListener("pageshow", endAll);

  // --- theme: radio buttons named "theme"
  const radios = () => $$("input[name=theme]");
  radios().forEach((radio) => (radio.checked = radio.value === window.theme.get()));
  document.addEventListener("change", (event) => {
    if (event.target.matches("input[name=theme]")) window.theme.set(event.target.value);
    else if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
  });
  addEventListener("storage", () => radios().forEach((radio) => (radio.checked = radio.value === window.theme.get())));

  // --- passwords: a button that shows what was typed
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-reveal]");
    if (!button) return;
    const input = document.getElementById(button.dataset.reveal);
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", shown);
    input.focus();
  });
  document.addEventListener("submit", (event) => {
    // Back to hidden before it leaves: browsers remember what stood in plain text fields.
    $$("[data-reveal]", event.target).forEach((button) => {
      document.getElementById(button.dataset.reveal).type = "password";
    });
  });

  // --- passkeys: allauth reports what the browser or the person refused
  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    show({ level: "warning", message: words.noPasskey });
  });

  // --- focus: the first mistake of a form that came back, or the first empty field where a new one is all there is.
  // Not on a touch screen: its keyboard would cover half of the page unasked. After what was typed is back (typed.js).
  addEventListener("DOMContentLoaded", () => {
    const mistake = $("[aria-invalid=true]");
    if (mistake) mistake.focus();
    else if (matchMedia("(hover: hover)").matches) {
      $$(".entrance form .form-control, form[data-new] .form-control").find((input) => !input.value)?.focus();
    }
  });
})();
