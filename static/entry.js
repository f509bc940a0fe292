// Order entry at the speed of hands: comboboxes, scan -> quantity -> Enter -> scan, running total, shortages while typing,
// and a draft that survives a reload. The server does the rest without this file; here it only happens sooner.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const LARGEST = 1_000_000;
  const DEAREST = 9_999_999_999; // cents
  const { lang } = document.documentElement;
  const number = new Intl.NumberFormat(lang);
  const money = new Intl.NumberFormat(lang, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const plainMoney = new Intl.NumberFormat(lang, { minimumFractionDigits: 2, maximumFractionDigits: 2, useGrouping: false });
  const percent = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
  const brl = (cents) => `R$\u00a0${money.format(cents / 100)}`;
  const form = () => $("#entry");
  const code = () => $("#code");
  const QUANTITY = "#lines input[name=quantity]";
  const AGREED = "#lines [data-agreed]";

  // --- the running total and the shortages
  // As the server reads it: "1.200" in Portuguese, "1,200" in English.
  const group = number.formatToParts(1_000_000).find((part) => part.type === "group").value;
  const grouped = new RegExp(`^\\d{1,3}(\\${group}\\d{3})+$`);
  function whole(text) {
    const plain = grouped.test(text) ? text.replaceAll(group, "") : text;
    return /^\d{1,7}$/.test(plain) ? Number(plain) : NaN;
  }
  const pieces = (row) => whole($("input[name=quantity]", row).value.trim());
  const decimal = number.formatToParts(0.5).find((part) => part.type === "decimal").value;
  const amount = new RegExp(`^\\d{1,3}(\\${group}\\d{3})+(\\${decimal}\\d+)?$|^\\d+(\\${decimal}\\d+)?$`);
  function plain(text) {
    if (amount.test(text)) return Number(text.replaceAll(group, "").replace(decimal, "."));
    return /^\d+[.,]\d{1,2}$/.test(text) ? Number(text.replace(",", ".")) : NaN;
  }
  // The price that is agreed upon, in cents: "8,90" is that, "5%" so much less than the customer's, "+5%" more.
  function agreed(text, cents) {
    const [, sign, share] = /^([-+−]?)([^-].*)%$/.exec(text) ?? [];
    const found = share ? Math.round(cents * (1 + (sign === "+" ? 1 : -1) * plain(share) / 100) + 1e-6) : plain(text) * 100;
    const whole = Math.round(found);
    return Math.abs(found - whole) < 1e-6 && whole >= 1 && whole <= DEAREST ? whole : NaN;
  }
  function price(row) {
    const text = $("[data-agreed]", row)?.value.replace(/\s|R\$/g, "");
    const cents = Number(row.dataset.cents);
    return text ? agreed(text, cents) : cents;
  }
  // A share becomes the price that it means: what is promised is a price. The customer's own needs no agreement.
  function settlePrice(field) {
    const row = field.closest("tr");
    const cents = price(row);
    if (cents) field.value = cents === Number(row.dataset.cents) ? "" : plainMoney.format(cents / 100);
  }
  // What is wrong with a price; of a line that is there already, what was agreed upon stays for as many as it has.
  function tellPrice(row, cents) {
    const { lowest, held = 0, heldCents = 0 } = row.dataset;
    const isKept = !(pieces(row) > Number(held)) && cents >= Number(heldCents);
    const isWrong = Number.isNaN(cents) || (cents < Number(lowest) && !isKept);
    const problem = $("[data-price-problem]", row);
    if (isWrong) say($("span", problem), Number.isNaN(cents) ? problem.dataset.unreadable : problem.dataset.tooLow);
    show(problem, isWrong);
    const field = $("[data-agreed]", row);
    if (!field) return isWrong;
    const list = Number(row.dataset.cents);
    const off = (Math.sign(list - cents) * Math.round((Math.abs(list - cents) * 1000) / list)) / 10;
    $("[data-list-price]", row)?.classList.toggle("narrow-only", !off); // beside another price it is to be seen
    say($("[data-off]", row), off ? `${off > 0 ? "−" : "+"}${percent.format(Math.abs(off))}\u00a0%` : "");
    show($("[data-off]", row), Boolean(off));
    show($("[data-dearer]", row), cents > list);
    if (isWrong) {
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", problem.id);
    } else {
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
    }
    return isWrong;
  }
  // Only what differs is written: a write to every line would lay out all of them again for each scan.
  function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }
  function show(element, isShown) {
    if (element.hidden === isShown) element.hidden = !isShown;
  }
  function update() {
    const rows = $$("#lines > .line");
    let total = 0;
    let all = 0;
    let short = 0;
    for (const row of rows) {
      const count = pieces(row);
      const cents = price(row);
      const subtotal = (count || 0) * (cents || Number(row.dataset.cents));
      const isShort = count > Number(row.dataset.available);
      const isWrong = !(count >= 1 && count <= LARGEST);
      const isMispriced = tellPrice(row, cents);
      total += subtotal;
      all += count || 0;
      short += isShort;
      say($("[data-subtotal]", row), brl(subtotal));
      show($("[data-short]", row), isShort);
      row.classList.toggle("is-short", isShort || isWrong);
      row.classList.toggle("is-mispriced", isMispriced);
      const input = $("input[name=quantity]", row);
      if (isWrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
    say($("[data-total]"), brl(total));
    say($("[data-line-count]"), number.format(rows.length));
    say($("[data-piece-count]"), number.format(all));
    show($("[data-short-note]"), short > 0);
    show($("[data-empty]"), rows.length === 0);
  }
  // Years on the way to being typed ("0002", "0020") have passed as well.
  function tellPastDue() {
    const note = $("[data-past-due]");
    const day = $("[name=due_date]").value;
    show(note, day >= "1900" && day < note.dataset.today);
  }

  // --- comboboxes (WAI-ARIA: the field keeps the focus, the list is marked)
  const listOf = (field) => document.getElementById(field.getAttribute("aria-controls"));
  const options = (list) => $$("[role=option]:not([aria-disabled])", list);
  const marked = (list) => $("[aria-selected=true]", list);
  // A list counts only for the text it was asked for: a scanner sends Enter before the answer is there.
  const fresh = (field) => field.value.trim() !== "" && listOf(field).dataset.typed === field.value.trim();
  const ask = (field) => field.dispatchEvent(new Event("ask-now"));

  function close(field) {
    const list = listOf(field);
    if (list) {
      list.hidden = true;
      delete list.dataset.typed; // no other swap opens it again
    }
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
    if (document.activeElement !== field || !fresh(field)) return close(field);
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    mark(field, marked(list)); // none, where the answer leaves it to the person
  }

  function choose(field, option) {
    if (option.matches("[data-new]")) {
      close(field);
      $(".new-customer").open = true;
    } else if (field.dataset.combo === "customer") {
      const hidden = document.createElement("input");
      hidden.type = "hidden";
      hidden.name = "customer";
      hidden.value = option.dataset.value;
      form().append(hidden);
      chooseCustomer();
    } else {
      $("#scan-problem").hidden = true; // which one was meant is said now
      add(option.dataset.value);
    }
  }
  // The search is over: what is typed until the answer is there is meant for the items.
  function chooseCustomer() {
    close($("#customer-search"));
    code().focus();
    $("[data-choose-customer]").click();
  }
  // The field is free for the next scan at once; what was not found comes back into it.
  let awaited = 0;
  function add(text) {
    code().value = "";
    close(code());
    later(() => {
      const field = code();
      const typed = field.value;
      awaited += 1;
      field.value = text;
      $("[data-add]").click();
      field.value = typed;
    });
  }

  // --- while an answer is under way that replaces the whole form, the hands go on: what they changed since it was asked
  // for is put into the new form, and what would send the form waits for it.
  let busy = 1; // such answers; and htmx, until it listens: sent before, it would be a new page
  const held = [];
  function later(send) {
    held.push(send);
    release();
  }
  function release() {
    while (!busy && held.length) held.shift()();
  }
  const typedIn = (form) => $$("input:not([type=hidden]), textarea", form);
  const asSent = () => ({ values: new Map(typedIn(form()).map(({ id, value }) => [id, value])), hands: document.activeElement });
  function carryOver({ values, hands }, old, now) {
    for (const row of $$("#lines > .line", old)) if (!values.has($("input[name=quantity]", row).id)) put(row);
    for (const id of values.keys()) if (!$(`[id="${id}"]`, old)) document.getElementById(id)?.closest("#lines > .line")?.remove();
    for (const field of typedIn(old)) {
      const sent = values.get(field.id);
      const place = document.getElementById(field.id);
      if (!place || sent === undefined || field.value === sent) continue;
      // Of these the answer has taken what it was sent.
      const isMore = field.matches("#code, #pasted") && field.value.startsWith(sent);
      place.value = isMore ? (place.value + field.value.slice(sent.length)).trimStart() : field.value;
      place.dispatchEvent(new Event("input", { bubbles: true })); // that is looked up and added up too
    }
    const place = old.contains(now) && document.getElementById(now.id);
    if (!place || (now === hands && now.value === values.get(now.id))) return;
    place.focus();
    if (now.selectionStart != null && now.value === place.value) place.setSelectionRange(now.selectionStart, now.selectionEnd);
  }
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    if (ctx.target?.id === "entry") ctx.sent = asSent();
    if (ctx.sourceElement.matches?.("[data-combo]")) ctx.asked = ctx.sourceElement.value.trim();
  });
  // Enter asks too: a list that was asked for before, and comes after, must neither replace that answer nor what an arrow
  // has chosen in it.
  document.addEventListener("htmx:before:swap", (event) => {
    const { asked, sourceElement } = event.detail.ctx;
    if (asked !== undefined && (asked !== sourceElement.value.trim() || listOf(sourceElement)?.hidden === false)) event.preventDefault();
  });
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (ctx.sent) busy += 1;
  });
  document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
    if (ctx.sent) ctx.left = [form(), document.activeElement];
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (!ctx.sent) return;
    busy -= 1;
    release();
  });

  // Without an answer a code waits among the pasted lines, from where all of them are added at once.
  function wait(text) {
    const field = $("#pasted");
    field.value = [field.value.trim(), text].filter(Boolean).join("\n");
    field.closest("details").open = true;
    keepDraft();
  }
  document.addEventListener("htmx:finally:request", (event) => {
    const { sourceElement, request, response } = event.detail.ctx;
    if (!sourceElement.matches?.("[data-add]")) return;
    awaited = Math.max(0, awaited - 1);
    if (response?.status !== 200 && response?.status !== 422) wait(request.body.get("code"));
  });

  document.addEventListener("input", (event) => {
    const field = event.target;
    if (field.matches("[data-combo]") && !fresh(field)) close(field);
    if (field.matches("#code")) $("#scan-problem").hidden = true;
    if (field.matches(`${QUANTITY}, ${AGREED}`)) {
      field.closest("tr").querySelector(".errorlist")?.remove(); // said of what stood there before
      $("[data-repriced]")?.remove();
      update();
    }
    if (field.matches("[name=due_date]")) tellPastDue();
  });

  // --- keys
  let typed = ""; // into the quantity or price that has the focus
  let before = ""; // what that was
  // More places than any quantity, letters, or a price of more digits than people write without a comma: that was a
  // scanner. A code is neither.
  const isScan = (field) =>
    field.matches(AGREED)
      ? /[^\d.,%+\-−R$ ]|R(?!\$)|^\d{6,}$/.test(typed)
      : /[^\d.,]/.test(typed) || (typed.length > 7 && !whole(typed));

  function inLine(event) {
    const field = event.target;
    if (event.key === "Enter") {
      event.preventDefault();
      if (isScan(field)) {
        const scanned = typed;
        field.value = before;
        update();
        add(scanned);
      }
      code().focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const inputs = $$(field.matches(AGREED) ? AGREED : QUANTITY);
      const next = inputs[inputs.indexOf(field) + (event.key === "ArrowDown" ? 1 : -1)];
      if (!next) return;
      event.preventDefault();
      next.focus();
    } else if (event.key === "Delete" && event.ctrlKey) {
      event.preventDefault();
      remove(field.closest("tr"));
    } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) typed += event.key;
    else if (event.key === "Backspace" || event.key === "Delete") typed = "";
  }
  function inCombo(event) {
    const field = event.target;
    const list = listOf(field);
    const all = options(list);
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && list.hidden) {
      ask(field); // closed by Escape, or left and come back to
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && all.length) {
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
      else if (field.dataset.combo === "product" && field.value.trim()) add(field.value.trim());
      else if (field.dataset.combo === "customer" && field.value.trim()) chooseCustomer();
    }
  }
  document.addEventListener("keydown", (event) => {
    const field = event.target;
    if (!form() || $("dialog[open]") || !field.matches) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      event.preventDefault();
      if (!event.repeat) $("[data-place]").click();
    } else if (event.ctrlKey && !event.shiftKey && /^Arrow(Down|Up)$/.test(event.key) && !field.matches("textarea")) {
      event.preventDefault(); // past all the lines
      (event.key === "ArrowDown" ? $("[name=due_date]") : code()).focus();
    } else if (field.matches(`${QUANTITY}, ${AGREED}`)) inLine(event);
    else if (field.matches("[data-combo]")) inCombo(event);
    else if (event.key === "Enter" && field.matches("#share")) {
      event.preventDefault();
      $("[data-discount]").click();
    } else if (event.key === "Enter" && field.matches(".new-customer input")) {
      event.preventDefault();
      $("[data-add-customer]").click();
    } else if (event.key === "Enter" && field.matches("#entry input")) event.preventDefault(); // sends nothing by accident
  });
  document.addEventListener("focusin", (event) => {
    if (!event.target.matches(`${QUANTITY}, ${AGREED}`)) return;
    event.target.select();
    typed = "";
    before = event.target.value;
  });
  document.addEventListener("mousedown", (event) => {
    if (!event.target.closest(".combo .options")) return;
    event.preventDefault(); // the field keeps the focus, and with it the list
    const option = event.target.closest("[role=option]:not([aria-disabled])");
    if (option) choose($("[data-combo]", option.closest(".combo")), option);
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.matches("[data-combo]")) close(event.target);
  });
  // The button is Enter in the field: what was typed leaves the field, and comes back into it if it is not one product.
  document.addEventListener("click", (event) => {
    if (!event.isTrusted || !event.target.closest("[data-add]")) return;
    event.preventDefault();
    event.stopPropagation();
    setTimeout(add, 0, code().value.trim()); // a click on a button within a click on it does nothing
  }, true);

  // --- lines
  function remove(row) {
    row.remove();
    update();
    code().focus();
  }
  function takeAvailable(row) {
    if (row.dataset.available === "0") row.remove();
    else $("input[name=quantity]", row).value = row.dataset.available;
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const row = event.target.closest("#lines > .line");
    if (!button) return;
    if (row && button.matches("[data-remove]")) {
      event.preventDefault();
      remove(row);
    } else if (row && button.matches("[data-take-available]")) {
      event.preventDefault();
      takeAvailable(row);
      update();
      (row.isConnected ? $("input[name=quantity]", row) : code()).focus();
    } else if (button.matches("[data-take-all]")) {
      event.preventDefault();
      $$("#lines > .line").filter((each) => pieces(each) > Number(each.dataset.available)).forEach(takeAvailable);
      $("#problems")?.remove();
      update();
      $("[data-place]").focus();
    }
    keepDraft();
  });
  // A product that is there already gets more.
  function put(arrived) {
    const row = $(`#lines > [id="${arrived.id}"]`);
    if (row) {
      $("input[name=quantity]", row).value = (pieces(row) || 0) + (pieces(arrived) || 0);
      arrived.remove();
    } else $("#lines").append(arrived);
    return row ?? arrived;
  }
  // The answer of a scan: a new product waits for its quantity.
  document.addEventListener("line:added", () => {
    let row = null;
    for (const arrived of $$("#arrived > .line")) row = put(arrived);
    if (!row) return;
    $("[data-remove]", row).tabIndex = -1;
    update();
    keepDraft();
    row.scrollIntoView({ block: "nearest" });
    if (awaited > 1 || code().value) return; // the hands are at the next scan
    const input = $("input[name=quantity]", row);
    input.focus();
    input.select();
  });
  // "SKU;qty" lines pasted where codes are typed go the way of pasted lines.
  document.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text").trim();
    if (!event.target.matches("#code") || !/[\n;\t]/.test(text)) return;
    event.preventDefault();
    later(() => {
      wait(text); // after what waits there already
      $("[data-paste]").click();
    });
  });

  // --- a new customer takes what was searched for in vain
  document.addEventListener("toggle", (event) => {
    if (!event.target.matches?.(".new-customer") || !event.target.open) return;
    const text = $("#customer-search").value.trim();
    const name = text.includes("@") ? "email" : /\d/.test(text) ? "cpf_cnpj" : "name";
    const field = $(`[name=new-${name}]`);
    if (text && !field.value) field.value = text;
    // One that was refused comes back open: the hands go on at what is wrong.
    ($(".new-customer [aria-invalid=true]") ?? $$(".new-customer input").find((input) => !input.value))?.focus();
  }, true);

  // --- drafts: in this tab, for this person, each until its order is placed. A form goes by its key, so that an order
  // begun beside another, or from one of the past, leaves the other as it is.
  // What is changed of a placed order is a draft of that order's own.
  const DRAFTS = ["order-drafts", document.body.dataset.user, form()?.dataset.drafts].filter(Boolean).join("-"); // [[key, customer's name, fields], ...], oldest first
  const MOST_DRAFTS = 5;
  let own = ""; // the key that this page keeps its draft under; none until it is shown, and knows which it continues
  let placed = false;
  const fieldsOf = (form) => {
    const typed = new URLSearchParams(new FormData(form));
    typed.delete("csrfmiddlewaretoken");
    return typed;
  };
  const fields = () => fieldsOf(form());
  function givenFields() {
    const given = form().cloneNode(true);
    given.reset();
    return fieldsOf(given);
  }
  let blank = form() && String(givenFields()); // as the server gave them: fast hands may have typed by now
  const keyOf = (kept) => kept.get("idempotency_key") ?? kept.get("draft");
  const NO_BEGINNING = ["idempotency_key", "draft", "customer_search", "code"]; // words looked up are no order yet
  const isBegun = (kept) => [...new URLSearchParams(kept)].some(([name, value]) => value && !NO_BEGINNING.includes(name));
  function drafts() {
    try {
      return JSON.parse(sessionStorage.getItem(DRAFTS)) ?? [];
    } catch {
      return []; // storage may be forbidden
    }
  }
  function storeDrafts(all) {
    try {
      sessionStorage.setItem(DRAFTS, JSON.stringify(all.slice(-MOST_DRAFTS)));
    } catch {}
  }
  const draftsBeside = (...keys) => drafts().filter(([key, , kept]) => !keys.includes(key) && isBegun(kept));
  function settle(key) {
    own = key;
    // A reload finds its own draft by it. htmx, as it starts, writes over a state that is not marked as its own.
    history.replaceState({ ...history.state, htmx: true, order: key }, "");
  }
  function keepDraft() {
    if (!form() || placed || !own) return;
    const kept = fields();
    const key = keyOf(kept);
    // One without anything is kept too, if there was something: else what was removed would be back after a reload.
    if (String(kept) === blank && !drafts().some(([other]) => other === own)) return;
    storeDrafts([...draftsBeside(own, key), [key, $(".picked .strong")?.textContent ?? "", String(kept)]]);
    settle(key);
  }
  function dropDraft(key) {
    storeDrafts(drafts().filter(([other]) => other !== key));
    offerDraft();
  }
  function offerDraft() {
    const [key, customer] = draftsBeside(own).at(-1) ?? [];
    const note = $("#draft");
    note.hidden = !key;
    note.dataset.order = key ?? "";
    $("[data-draft-of]").textContent = customer ?? "";
  }
  async function restoreDraft(wanted) {
    const [, , text] = drafts().find(([key]) => key === wanted) ?? [];
    if (!text) return;
    keepDraft();
    const sent = asSent();
    const kept = new URLSearchParams(text);
    kept.set("csrfmiddlewaretoken", $("input[name=csrfmiddlewaretoken]", form()).value);
    const headers = { "HX-Request": "true", "HX-Request-Type": "partial" };
    busy += 1;
    const answer = await fetch(form().getAttribute("action"), { method: "POST", headers, body: kept }).catch(() => null);
    const restored = answer?.ok && (await answer.text().catch(() => null));
    busy -= 1;
    // Without it, the draft stays on offer.
    if (restored) {
      const left = [form(), document.activeElement];
      form().outerHTML = restored;
      htmx.process(form());
      settle(wanted);
      ready();
      carryOver(sent, ...left);
    }
    release();
  }
  document.addEventListener("change", ({ target }) => {
    if (target.matches(AGREED)) settlePrice(target);
    keepDraft();
  });
  addEventListener("pagehide", keepDraft);
  document.addEventListener("htmx:after:request", (event) => {
    const { sourceElement, response } = event.detail.ctx;
    if (!sourceElement.matches?.("[data-place]") || !response?.headers.has("HX-Redirect")) return;
    placed = true;
    dropDraft(own);
  });
  document.addEventListener("click", (event) => {
    const { order } = $("#draft").dataset;
    if (event.target.closest("[data-draft-restore]")) restoreDraft(order).then(offerDraft);
    if (event.target.closest("[data-draft-drop]")) {
      dropDraft(order);
      ready();
    }
  });

  // --- after each swap, and when the page comes up
  function ready() {
    for (const field of $$("[data-combo]")) opened(field);
    for (const field of $$(AGREED)) if (field.value.includes("%")) settlePrice(field);
    for (const button of $$("#lines [data-remove]")) button.tabIndex = -1; // a scan must not press it: Ctrl Del does
    update();
    tellPastDue();
    const problems = $("#problems") ?? $("[data-overtaken]", form());
    if (problems && !problems.dataset.seen) {
      problems.dataset.seen = "yes";
      // What is wrong, or the first line that is short, is where to type next.
      ($("[aria-invalid=true], .is-short input[name=quantity]", form()) || problems).focus();
      problems.scrollIntoView({ block: "nearest" });
    } else if (document.activeElement === document.body) ($("[aria-invalid=true]", form()) || $("[autofocus]", form()))?.focus();
  }
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (!form() || $("#palette")?.open) return;
    const unclear = $("#scan-problem[data-code], #product-options[data-code]");
    if (unclear) {
      code().focus();
      if (!code().value) {
        code().value = unclear.dataset.code;
        code().select();
      }
      // The hands are at the next scan, which the list does not answer; or Enter alone does not choose from it.
      if (unclear.dataset.message && (code().value !== unclear.dataset.code || !marked(unclear))) {
        say($("#scan-problem"), unclear.dataset.message);
        $("#scan-problem").hidden = false;
      }
      delete unclear.dataset.code;
    }
    ready();
    if (ctx.left && !ctx.left[0].isConnected) carryOver(ctx.sent, ...ctx.left);
    keepDraft();
  });
  addEventListener("pageshow", (event) => {
    if (!form()) return;
    placed = false;
    ready();
    // Fast hands type and scan before htmx listens (it starts in a task of its own): that is looked up and added too.
    setTimeout(() => {
      if (!event.persisted) busy -= 1;
      release();
      const field = document.activeElement;
      if (field.matches("[data-combo]") && field.value && !fresh(field)) field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    if (event.persisted) return;
    const [{ type }] = performance.getEntriesByType("navigation");
    const left = type === "navigate" ? null : history.state?.order; // begun anew, or back
    own = keyOf(fields());
    if (type !== "navigate") blank = String(fields()); // what the browser filled in again is nobody's typing
    if (!drafts().some(([key]) => key === left)) settle(own); // now: as the page goes it would be too late
    keepDraft();
    restoreDraft(left).then(offerDraft);
  });
})();
