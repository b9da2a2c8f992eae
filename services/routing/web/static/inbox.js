// Keeps the inbox live. Without this script the page works too: buttons are forms, and a reload shows
// what is new. The server renders every card; the script only fetches the list again and puts in what
// changed, so that nothing somebody is typing is lost.
(() => {
  "use strict";
  const inbox = document.getElementById("inbox");
  const leads = document.getElementById("leads");
  const announce = document.getElementById("announce");
  const live = document.getElementById("live");
  const title = document.title;
  if (!inbox || !leads) return;

  // --- the countdown ---------------------------------------------------------------------------
  // The server says how many seconds are left, so a wrong clock here does no harm.
  const SOON = 15 * 60;
  const deadlines = new WeakMap();

  function spoken(seconds) {
    if (seconds <= 0) return "time is up";
    const s = Math.ceil(seconds);
    const parts = [[Math.floor(s / 86400), "d"], [Math.floor(s / 3600) % 24, "h"],
      [Math.floor(s / 60) % 60, "min"], [s % 60, "s"]];
    const first = parts.findIndex(([count]) => count > 0);
    const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
    return shown.map(([count, unit]) => `${count}\u202f${unit}`).join(" ") + " left";
  }

  function tick() {
    for (const badge of leads.querySelectorAll("[data-left]")) {
      if (!deadlines.has(badge)) deadlines.set(badge, performance.now() / 1000 + Number(badge.dataset.left));
      const left = deadlines.get(badge) - performance.now() / 1000;
      const soon = Math.min(SOON, Number(badge.dataset.total) / 4);
      const urgency = left < soon / 3 ? "bad" : left < soon ? "warn" : "ok";
      const text = spoken(left);
      if (badge.textContent !== text) badge.textContent = text;
      badge.className = `badge badge-${urgency}`;
      const card = badge.closest(".lead-card");
      for (const kind of ["ok", "warn", "bad"]) card.classList.toggle(`lead-${kind}`, kind === urgency);
    }
  }

  // --- putting a new list in place of the old one -------------------------------------------------
  const cardsIn = (root) => [...root.querySelectorAll("[data-assignment]")];
  const waitingIn = (root) => cardsIn(root).filter((card) => card.closest('[data-section="waiting"]'));

  function keepInput(from, to) {
    for (const details of from.querySelectorAll("details[data-keep]")) {
      const twin = to.querySelector(`details[data-keep="${details.dataset.keep}"]`);
      if (twin) twin.open = details.open;
    }
    for (const control of from.querySelectorAll("select, textarea")) {
      const twin = to.querySelector(`#${CSS.escape(control.id)}`);
      if (twin) twin.value = control.value;
    }
  }

  function replaceLeads(fresh, { quiet = false } = {}) {
    const old = new Map(cardsIn(leads).map((card) => [card.dataset.assignment, card]));
    const arrived = [];
    const focused = document.activeElement;
    const focusId = focused && leads.contains(focused) ? focused.id : "";
    for (const card of cardsIn(fresh)) {
      const before = old.get(card.dataset.assignment);
      old.delete(card.dataset.assignment);
      if (!before) {
        arrived.push(card);
      } else if (before.dataset.version === card.dataset.version) {
        deadlines.delete(before.querySelector("[data-left]"));
        const [was, is] = [before.querySelector("[data-left]"), card.querySelector("[data-left]")];
        if (was && is) was.dataset.left = is.dataset.left;
        card.replaceWith(before.cloneNode(false)); // a marker; the old card takes its place below
      } else {
        keepInput(before, card);
      }
    }
    merge(fresh);
    if (focusId && document.activeElement !== focused) document.getElementById(focusId)?.focus();
    if (!quiet) tell(arrived, [...old.values()]);
    for (const card of arrived) card.classList.add("lead-new");
    document.title = (waitingIn(leads).length ? `(${waitingIn(leads).length}) ` : "") + title;
    tick();
  }

  // Sections are replaced around cards that stay, which never leave the document: a node that is
  // moved loses the focus and an open select.
  function merge(fresh) {
    const names = ["waiting", "working"];
    for (const name of names) {
      const now = leads.querySelector(`[data-section="${name}"]`);
      const next = fresh.querySelector(`[data-section="${name}"]`);
      if (!next) { now?.remove(); continue; }
      if (!now) { leads.append(next); continue; }
      now.querySelector("h2").replaceWith(next.querySelector("h2"));
      const [was, is] = [now.querySelector(".empty"), next.querySelector(".empty")];
      if (was && !is) was.remove();
      if (!was && is) now.querySelector("[data-cards]").before(is);
      mergeCards(now.querySelector("[data-cards]"), next.querySelector("[data-cards]"));
    }
  }

  function mergeCards(list, next) {
    const wanted = cardsIn(next);
    const ids = new Set(wanted.map((card) => card.dataset.assignment));
    for (const card of cardsIn(list)) if (!ids.has(card.dataset.assignment)) card.remove();
    let place = list.firstElementChild;
    for (const card of wanted) {
      const here = cardsIn(list).find((c) => c.dataset.assignment === card.dataset.assignment);
      const same = here && here.dataset.version === card.dataset.version;
      if (same && here === place) { place = here.nextElementSibling; continue; }
      if (same) { list.insertBefore(here, place); continue; }
      if (here === place && place) place = place.nextElementSibling;
      here?.remove();
      list.insertBefore(card, place);
    }
  }

  function tell(arrived, gone) {
    const waiting = arrived.filter((card) => card.closest('[data-section="waiting"]'));
    const lines = waiting.map((card) => `New lead: ${card.dataset.label}.`);
    for (const card of gone) lines.push(`${card.dataset.label} has left your inbox.`);
    if (lines.length) announce.textContent = lines.slice(0, 5).join(" ");
  }

  // --- fetching ------------------------------------------------------------------------------------
  let running = false;
  let again = false;
  let ended = false;

  async function refresh() {
    if (running) { again = true; return; }
    running = true;
    try {
      const response = await fetch(inbox.dataset.leads, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (response.redirected || response.status === 401 || response.status === 403) {
        ended = true;
        state("You are logged out: reload the page", false);
        return;
      }
      if (response.ok) replaceLeads(new DOMParser().parseFromString(await response.text(), "text/html"));
    } catch { /* the stream's reconnection asks again */ } finally {
      running = false;
      if (again) { again = false; refresh(); }
    }
  }

  let timer = 0;
  const refreshSoon = () => { clearTimeout(timer); timer = setTimeout(refresh, 80); };

  // --- the stream -----------------------------------------------------------------------------------
  function state(text, on) {
    live.hidden = false;
    live.classList.toggle("live-on", on);
    document.getElementById("live-text").textContent = text;
  }

  let wait = 1000;
  function connect() {
    const stream = new EventSource(inbox.dataset.stream);
    stream.addEventListener("ready", () => { wait = 1000; state("Live: new leads appear by themselves", true); refresh(); });
    stream.addEventListener("assignment", refreshSoon);
    stream.addEventListener("contact", refreshSoon);
    stream.onerror = async () => {
      state("Not connected, trying again …", false);
      if (stream.readyState !== EventSource.CLOSED) return;
      await refresh(); // a stream can't say why it was refused; a page can
      if (ended) return;
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 30000);
    };
    addEventListener("pagehide", () => stream.close(), { once: true });
  }

  // --- answers ----------------------------------------------------------------------------------------
  leads.addEventListener("submit", async (event) => {
    const form = event.target;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, event.submitter));
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    try {
      const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" }, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const notice = page.querySelector("#notice");
      if (!response.ok || !notice) throw new Error("not the inbox");
      document.getElementById("notice").replaceChildren(...notice.childNodes);
      document.getElementById("notice").focus();
      replaceLeads(page.querySelector("#leads"), { quiet: true });
    } catch {
      const what = document.createElement("input");
      Object.assign(what, { type: "hidden", name: "answer", value: event.submitter?.value ?? "" });
      form.append(what);
      form.submit(); // the plain way, which shows what is wrong
    } finally {
      for (const button of form.querySelectorAll("button")) button.disabled = false;
    }
  });

  document.querySelector(".inbox-picker select")?.addEventListener("change", (event) => event.target.form.submit());
  tick();
  setInterval(tick, 1000);
  document.title = (waitingIn(leads).length ? `(${waitingIn(leads).length}) ` : "") + title;
  connect();
})();
