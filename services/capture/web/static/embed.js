// Puts a form of Leadloop into the page that loads this script:
//   <script src="https://…/static/capture/embed.js" data-form="demo" async></script>
// The form stands where the tag is, in the page's own styles. Errors are shown at their fields; a
// repeated click or a lost connection sends nothing twice.
(() => {
  "use strict";
  const tag = document.currentScript;
  const base = new URL(tag.src).origin;
  const id = tag.dataset.form;
  const place = document.createElement("div");
  place.className = "leadloop-form";
  tag.after(place);

  function asked() {
    const given = new URLSearchParams(location.search);
    const told = new URLSearchParams();
    for (const name of ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"]) {
      if (given.get(name)) told.set(name, given.get(name));
    }
    told.set("page_url", location.href.split("#")[0]);
    if (document.referrer) told.set("referrer", document.referrer);
    return told;
  }

  function say(text, kind) {
    let line = place.querySelector(".leadloop-says");
    if (!line) {
      line = document.createElement("p");
      line.className = "leadloop-says";
      line.tabIndex = -1;
      place.prepend(line);
    }
    line.setAttribute("role", kind === "bad" ? "alert" : "status");
    line.textContent = text;
    return line;
  }

  function clear(form) {
    for (const error of form.querySelectorAll(".leadloop-error")) error.remove();
    for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  }

  function show(form, problem) {
    let first = null;
    for (const error of problem.errors || []) {
      const name = error.pointer.slice(1).replace(/^fields\//, "fields.");
      const input = form.elements.namedItem(name);
      if (!input || !input.id) continue;
      const line = document.createElement("span");
      line.className = "leadloop-error error";
      line.id = `${input.id}-wrong`;
      line.textContent = `${form.querySelector(`label[for="${CSS.escape(input.id)}"]`)?.firstChild.textContent.trim() || name} ${error.detail}.`;
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", line.id);
      input.after(line);
      first = first || input;
    }
    if (first) first.focus();
    else say(problem.detail || "The form could not be sent.", "bad").focus();
  }

  async function send(event) {
    event.preventDefault();
    const form = event.target;
    clear(form);
    const button = form.querySelector("button[type=submit], button:not([type])");
    if (button) button.disabled = true;
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: new URLSearchParams(new FormData(form)),
        headers: { Accept: "application/json" }, referrerPolicy: "no-referrer-when-downgrade",
      });
      const told = await answer.json();
      if (!answer.ok) { show(form, told); return; }
      if (told.next) { location.assign(told.next); return; }
      place.replaceChildren();
      const title = document.createElement("p");
      const strong = document.createElement("strong");
      strong.textContent = told.title;
      title.append(strong);
      place.append(title);
      say(told.text, "ok").focus();
      place.dispatchEvent(new CustomEvent("leadloop:sent", { bubbles: true }));
    } catch {
      say("The form could not be sent: check the connection and try again. Nothing you typed is lost.", "bad").focus();
    } finally {
      if (button) button.disabled = false;
    }
  }

  fetch(`${base}/capture/forms/${encodeURIComponent(id)}/embed?${asked()}`)
    .then((answer) => { if (!answer.ok) throw new Error(String(answer.status)); return answer.text(); })
    .then((html) => { place.innerHTML = html; place.addEventListener("submit", send); })
    .catch(() => {
      // The form's own page works where the script may not.
      const link = document.createElement("a");
      link.href = `${base}/capture/forms/${encodeURIComponent(id)}?${asked()}`;
      link.textContent = "Open the form";
      place.append(link);
    });
})();
