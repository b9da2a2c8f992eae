// Has this browser agree to messages, and puts its address and keys into the form that is then sent.
(() => {
  "use strict";
  const form = document.querySelector("form[data-push-key]");
  if (!form) return;
  const says = form.querySelector("[data-push-says]");
  const button = form.querySelector("[data-push-here]");
  const say = (text) => { says.hidden = false; says.textContent = text; };
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) {
    say("This browser takes no messages.");
    return;
  }
  button.hidden = false;

  const raw = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const plain = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      if (await Notification.requestPermission() !== "granted") {
        say("The browser was not allowed to show messages: change that in its settings.");
        return;
      }
      const worker = await navigator.serviceWorker.register(form.dataset.pushWorker);
      const old = await worker.pushManager.getSubscription();
      if (old) await old.unsubscribe();
      const agreed = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: raw(form.dataset.pushKey) });
      form.elements.url.value = agreed.endpoint;
      form.elements.secret.value = `${plain(agreed.getKey("p256dh"))}.${plain(agreed.getKey("auth"))}`;
      form.elements.use.checked = true;
      form.querySelector('button[value="save"]').click();
    } catch (error) {
      say(`The browser could not agree to messages (${error.name}). Try again, or another browser.`);
    } finally {
      button.disabled = false;
    }
  });
})();
