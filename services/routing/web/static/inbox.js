// Keeps the inbox live. Without this script the page works too: buttons are forms, the list is links,
// and a reload shows what is new. The server renders every line and every lead; the script asks for
// the one that changed, so that an answer moves a few kilobytes and nothing that is being typed is
// lost.
(() => {
  "use strict";
  const inbox = document.getElementById("inbox");
  const split = document.getElementById("split");
  const place = document.getElementById("lead");
  const announce = document.getElementById("announce");
  const live = document.getElementById("live");
  if (!inbox || !split || !place) return;
  const title = document.title;
  const waitingTab = inbox.dataset.tab === "waiting";
  const rows = () => document.getElementById("rows");
  const lines = () => [...rows().children];
  const lineOf = (id) => lines().find((line) => line.dataset.assignment === id);
  const opened = () => place.querySelector("[data-open]");
  const openId = () => opened()?.dataset.open ?? "";
  const parse = (text) => new DOMParser().parseFromString(text, "text/html");

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
    for (const badge of inbox.querySelectorAll("[data-left]")) {
      if (!deadlines.has(badge)) deadlines.set(badge, performance.now() / 1000 + Number(badge.dataset.left));
      const left = deadlines.get(badge) - performance.now() / 1000;
      const soon = Math.min(SOON, Number(badge.dataset.total) / 4);
      const urgency = left < soon / 3 ? "bad" : left < soon ? "warn" : "ok";
      const text = spoken(left);
      if (badge.textContent !== text) badge.textContent = text;
      badge.className = `badge badge-${urgency}`;
      const around = badge.closest(".lead-card, .inbox-row");
      for (const kind of ["ok", "warn", "bad"]) around.classList.toggle(`lead-${kind}`, kind === urgency);
    }
  }

  // --- what the server sent, put in ------------------------------------------------------------
  function count(page) {
    for (const one of page.querySelectorAll("[data-of]")) {
      const badge = inbox.querySelector(`[data-count="${one.dataset.of}"]`);
      if (badge) badge.textContent = one.textContent;
    }
    head();
  }

  function head() {
    const waiting = Number(inbox.querySelector('[data-count="waiting"]')?.textContent ?? 0);
    document.title = (waiting ? `(${waiting}) ` : "") + title;
  }

  function mark() {
    for (const line of lines()) {
      const link = line.querySelector("a");
      if (line.dataset.assignment === openId()) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const ids = lines().map((line) => line.dataset.assignment);
    const at = ids.indexOf(openId());
    const next = ids[at + 1] ?? ids[at - 1] ?? "";
    for (const field of place.querySelectorAll('input[name="next"]')) field.value = next;
  }

  // A line comes before the first one that is sorted behind it.
  function putLine(line) {
    const falling = rows().dataset.order === "falling";
    const behind = lines().find((one) => falling ? one.dataset.sort < line.dataset.sort : one.dataset.sort > line.dataset.sort);
    rows().insertBefore(line, behind ?? null);
    document.querySelector(".inbox-none")?.remove();
  }

  function keepInput(from, to) {
    for (const details of from.querySelectorAll("details[data-keep]")) {
      const twin = to.querySelector(`details[data-keep="${details.dataset.keep}"]`);
      if (twin) twin.open = details.open;
    }
    for (const control of from.querySelectorAll("select, textarea, input:not([type=hidden])")) {
      const twin = control.id && to.querySelector(`#${CSS.escape(control.id)}`);
      if (twin) twin.value = control.value;
    }
  }

  function putLead(fresh, { keep = false, focus = false } = {}) {
    const held = document.activeElement && place.contains(document.activeElement) ? document.activeElement.id : "";
    if (keep) keepInput(place, fresh);
    place.replaceChildren(...fresh.childNodes);
    if (focus) document.getElementById("lead-title")?.focus();
    else if (keep && held) document.getElementById(held)?.focus();
    mark();
    tick();
  }

  // --- asking ------------------------------------------------------------------------------------
  let ended = false;
  async function ask(href) {
    const response = await fetch(href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (response.redirected || response.status === 401 || response.status === 403) {
      ended = true;
      state("You are logged out: reload the page", false);
      return null;
    }
    return response.ok ? parse(await response.text()) : null;
  }

  function address(part, lead) {
    const url = new URL(location.href);
    for (const name of ["notice", "about", "view"]) url.searchParams.delete(name);
    url.searchParams.set("part", part);
    if (lead) url.searchParams.set("lead", lead);
    else url.searchParams.delete("lead");
    return url;
  }

  async function open(id, { focus = true } = {}) {
    const page = await ask(address("lead", id));
    const fresh = page?.querySelector("[data-lead]");
    if (!fresh) return;
    count(page);
    putLead(fresh, { focus });
    split.classList.remove("inbox-listing");
    const url = address("", openId());
    url.searchParams.delete("part");
    history.replaceState(null, "", url);
    lineOf(openId())?.scrollIntoView({ block: "nearest" });
  }

  // One lead changed: its line comes, changes or goes, and so does the open lead if it is that one.
  async function look(id) {
    const page = await ask(address("lead", id));
    if (!page) return;
    count(page);
    const line = page.querySelector("ol > li");
    const before = lineOf(id);
    const label = (before ?? line)?.dataset.label;
    if (!line || line.dataset.assignment !== id) {
      before?.remove();
      if (before && waitingTab) announce.textContent = `${label} has left your inbox.`;
      if (openId() === id || !opened()) await open(lines()[0]?.dataset.assignment ?? "", { focus: false });
      mark();
      return;
    }
    if (!before) {
      line.classList.add("lead-new");
      if (waitingTab) announce.textContent = `New lead: ${label}.`;
    }
    if (before?.dataset.version !== line.dataset.version) {
      before?.remove();
      putLine(line);
    }
    const fresh = page.querySelector("[data-lead]");
    const now = opened();
    if (!now) putLead(fresh);
    else if (openId() === id && now.dataset.version !== fresh.querySelector("[data-open]")?.dataset.version) {
      putLead(fresh, { keep: true });
    } else mark();
    tick();
  }

  async function readAnew() {
    const page = await ask(address("rows"));
    if (!page) return;
    const before = new Map(lines().map((line) => [line.dataset.assignment, line.dataset.label]));
    count(page);
    rows().replaceWith(page.querySelector("#rows"));
    const arrived = lines().filter((line) => !before.has(line.dataset.assignment));
    for (const line of lines()) before.delete(line.dataset.assignment);
    if (waitingTab && (arrived.length || before.size)) {
      announce.textContent = [...arrived.map((line) => `New lead: ${line.dataset.label}.`),
        ...[...before.values()].map((label) => `${label} has left your inbox.`)].slice(0, 5).join(" ");
    }
    if (!lineOf(openId())) await open(lines()[0]?.dataset.assignment ?? "", { focus: false });
    mark();
    tick();
  }

  // --- changes, gathered for a moment ------------------------------------------------------------
  const MANY = 8;
  const changed = new Set();
  let whole = false;
  let timer = 0;
  let running = false;

  async function catchUp() {
    if (running) return;
    running = true;
    try {
      while (changed.size || whole) {
        const ids = [...changed];
        const all = whole || ids.length > MANY;
        changed.clear();
        whole = false;
        if (all) await readAnew();
        else for (const id of ids) await look(id);
      }
    } catch { whole = true; /* the stream's reconnection asks again */ } finally { running = false; }
  }

  function soon(id) {
    if (id) changed.add(id);
    else whole = true;
    clearTimeout(timer);
    timer = setTimeout(catchUp, 60);
  }

  // --- the stream -----------------------------------------------------------------------------------
  function state(text, on) {
    live.hidden = false;
    live.classList.toggle("live-on", on);
    document.getElementById("live-text").textContent = text;
  }

  let wait = 1000;
  function connect() {
    const stream = new EventSource(inbox.dataset.stream);
    const heard = (event) => soon(JSON.parse(event.data).assignment_id);
    stream.addEventListener("ready", () => { wait = 1000; state("Live: new leads appear by themselves", true); soon(); });
    stream.addEventListener("assignment", heard);
    stream.addEventListener("contact", heard);
    stream.onerror = async () => {
      state("Not connected, trying again …", false);
      if (stream.readyState !== EventSource.CLOSED) return;
      await ask(address("rows")).catch(() => null); // a stream can't say why it was refused; a page can
      if (ended) return;
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 30000);
    };
    addEventListener("pagehide", () => stream.close(), { once: true });
  }

  // --- answers ----------------------------------------------------------------------------------------
  place.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.action.includes("/routing/inbox/")) return;
    event.preventDefault();
    const id = openId();
    const body = new URLSearchParams(new FormData(form, event.submitter));
    body.set("part", "1");
    body.set("tab", inbox.dataset.tab);
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    try {
      const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" }, credentials: "same-origin" });
      const page = parse(await response.text());
      const notice = page.querySelector("[data-notice]");
      if (!response.ok || !notice) throw new Error("not the inbox");
      document.getElementById("notice").replaceChildren(...notice.childNodes);
      count(page);
      const line = page.querySelector("ol > li");
      const stays = line?.dataset.assignment === id;
      lineOf(id)?.remove();
      if (stays) putLine(line);
      putLead(page.querySelector("[data-lead]"), { focus: true, keep: stays });
      history.replaceState(null, "", new URL(lineOf(openId())?.querySelector("a").href ?? location.pathname, location.href));
    } catch {
      const what = document.createElement("input");
      Object.assign(what, { type: "hidden", name: event.submitter?.name || "answer", value: event.submitter?.value ?? "" });
      form.append(what);
      form.submit(); // the plain way, which shows what is wrong
    } finally {
      for (const button of form.querySelectorAll("button")) button.disabled = false;
    }
  });

  // --- through the list, by click and by key ------------------------------------------------------------
  function step(by) {
    const ids = lines().map((line) => line.dataset.assignment);
    const next = ids[ids.indexOf(openId()) + by];
    if (next) open(next);
  }

  inbox.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    const steps = event.target.closest("[data-step]");
    const line = event.target.closest(".inbox-row");
    if (!steps && !line) return;
    event.preventDefault();
    if (line) open(line.dataset.assignment);
    else step(steps.dataset.step === "after" ? 1 : -1);
  });

  const keys = document.getElementById("keys");
  keys.checked = localStorage.getItem("inbox-keys") !== "off";
  keys.addEventListener("change", () => localStorage.setItem("inbox-keys", keys.checked ? "on" : "off"));
  const button = (value) => place.querySelector(`button[name="answer"][value="${value}"]`)?.click();
  const does = {
    j: () => step(1),
    k: () => step(-1),
    a: () => button("accept"),
    s: () => button("acknowledge"),
    r: () => {
      const reject = place.querySelector('[data-keep="reject"]');
      if (!reject) return;
      reject.open = true;
      reject.querySelector(".lead-reasons button").focus();
    },
    o: () => place.querySelector("a[data-whole], .lead-card a[href*='/routing/leads/']")?.click(),
  };
  addEventListener("keydown", (event) => {
    if (!keys.checked || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, select, textarea, [contenteditable]")) return;
    if (does[event.key]) { event.preventDefault(); does[event.key](); }
  });

  document.querySelector(".inbox-picker select")?.addEventListener("change", (event) => event.target.form.submit());
  mark();
  tick();
  setInterval(tick, 1000);
  head();
  connect();
})();
