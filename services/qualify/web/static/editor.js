// Tries what is typed on past leads while somebody edits. Without this script the button does it: the
// form is sent and the page comes back with the figures. The server renders them either way.
(() => {
  "use strict";
  const form = document.getElementById("editor");
  const figures = document.getElementById("trial-figures");
  const state = document.getElementById("trial-state");
  const button = form && form.querySelector('button[value="try"]');
  if (!form || !figures || !button) return;

  const PAUSE = 700; // milliseconds without a key before it is tried
  const BUSY = 5000; // before it is tried again when others compute
  let timer = 0;
  let running = null;
  let last = "";

  // --- rows ----------------------------------------------------------------------------------------
  // What a closed row says was true when the page came; once it is changed it says so.
  form.addEventListener("input", (event) => {
    const row = event.target.closest(".rule-body");
    const says = row && row.querySelector(".rule-says");
    if (says) says.textContent = "changed";
  });

  // A mistake in a row that is closed: open it before the link goes there.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const field = link && document.getElementById(link.hash.slice(1));
    if (!field || !form.contains(field)) return;
    for (let row = field.closest("details"); row; row = row.parentElement.closest("details")) row.open = true;
    const own = field.querySelector(":scope > details");
    if (own) own.open = true;
    event.preventDefault();
    field.scrollIntoView({ block: "center" });
    (field.matches("input, select, textarea") ? field : field.querySelector("summary, input, select, textarea"))?.focus();
  });

  // --- trying --------------------------------------------------------------------------------------
  function asked() {
    const data = new URLSearchParams(new FormData(form));
    data.delete("do");
    data.set("do", "try");
    data.set("part", "trial");
    return data;
  }

  function say(text, working) {
    state.textContent = text;
    if (working) state.prepend(Object.assign(document.createElement("span"), { className: "spinner" }));
  }

  async function run(why) {
    clearTimeout(timer);
    const data = asked();
    if (why === "edit" && data.toString() === last) return;
    last = data.toString();
    running?.abort();
    const mine = new AbortController();
    running = mine;
    const began = performance.now();
    const seconds = () => Math.floor((performance.now() - began) / 1000);
    figures.setAttribute("aria-busy", "true");
    say("Looking at past leads …", true);
    const clock = setInterval(() => { if (seconds() > 1) say(`Looking at past leads … ${seconds()} s`, true); }, 1000);
    try {
      const response = await fetch(form.action, {
        method: "POST", body: data, signal: mine.signal, credentials: "same-origin", headers: { Accept: "text/html" },
      });
      if (response.redirected || response.status === 401 || response.status === 403) {
        say("You are logged out: save what you typed somewhere and reload the page.", false);
        return;
      }
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      if (!response.ok && !fresh.querySelector("[data-figures]")) {
        say("It could not be tried: press the button to try again.", false);
        return;
      }
      keepOpen(fresh);
      figures.replaceChildren(...fresh.body.childNodes);
      const busy = figures.querySelector("[data-busy]");
      say(busy ? "Others compute. It is tried again in a moment." : "As typed now.", false);
      if (busy) timer = setTimeout(() => run("busy"), BUSY);
    } catch (error) {
      if (error.name !== "AbortError") say("The server did not answer: press the button to try again.", false);
    } finally {
      clearInterval(clock);
      if (running === mine) { running = null; figures.removeAttribute("aria-busy"); }
    }
  }

  function keepOpen(fresh) {
    const open = new Set([...figures.querySelectorAll("details[open] > summary")].map((one) => one.textContent));
    for (const one of fresh.querySelectorAll("details > summary")) if (open.has(one.textContent)) one.parentElement.open = true;
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => run("edit"), PAUSE);
  });
  form.addEventListener("submit", (event) => {
    if (event.submitter === button) {
      event.preventDefault();
      run("asked");
    } else {
      clearTimeout(timer);
      running?.abort();
    }
  });
  window.addEventListener("pagehide", () => running?.abort());
})();
