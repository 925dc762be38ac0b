// Keeps a page live: parts that have changed come as server-sent events and are worked into the
// page in place, so that focus, selection and scrolling stay. Without it the pages work, but are static.
"use strict";

// --- selectors: a choice is a new address -------------------------------------------------------

for (const form of document.querySelectorAll("form[data-auto]")) {
  form.classList.add("auto");
  // The keys of a closed selector choose one value after the other: Enter says which is meant, or
  // the button, which appears then.
  let stepping = false;
  const submit = (select) => {
    remember(`#${select.id}`);
    form.requestSubmit();
  };
  form.addEventListener("pointerdown", () => (stepping = false));
  form.addEventListener("keydown", (event) => {
    stepping = /^(Arrow|Page|Home|End|.$)/.test(event.key);
    if (event.key === "Enter" && event.target.matches("select") && !form.matches(".auto")) {
      event.preventDefault();
      submit(event.target);
    }
  });
  form.addEventListener("change", (event) => {
    if (stepping) form.classList.remove("auto");
    else submit(event.target);
  });
}
for (const link of document.querySelectorAll("[data-focus]")) {
  link.addEventListener("click", () => remember(`[data-focus="${link.dataset.focus}"]`));
}

// Whoever chose with the keyboard continues from there on the next page.
function remember(selector) {
  sessionStorage.setItem("focus", selector);
}
const remembered = sessionStorage.getItem("focus");
sessionStorage.removeItem("focus");
if (remembered) document.querySelector(remembered)?.focus({ preventScroll: true });

// --- working new parts into the page ------------------------------------------------------------

function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.isEqualNode(fresh)) return;
  const changed = old.nodeName === "DATA" && old.value !== fresh.value;
  morphAttributes(old, fresh);
  if (changed) old.classList.add("changed");
  morphChildren(old, fresh);
}

function morphAttributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    // What a reader has opened stays open.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
}

function morphChildren(old, fresh) {
  const keyed = new Map();
  for (const child of old.children) {
    if (child.dataset?.key !== undefined) keyed.set(child.dataset.key, child);
  }
  let position = old.firstChild;
  for (const replacement of [...fresh.childNodes]) {
    const key = replacement.dataset?.key;
    const known = key === undefined ? undefined : keyed.get(key);
    if (known && known !== position) {
      old.insertBefore(known, position);
      morph(known, replacement);
    } else if (position && position.dataset?.key === key) {
      const next = position.nextSibling;
      morph(position, replacement);
      position = next;
    } else {
      old.insertBefore(replacement, position);
    }
  }
  while (position) {
    const next = position.nextSibling;
    position.remove();
    position = next;
  }
}

function show(parts) {
  const focused = document.activeElement;
  for (const [id, html] of Object.entries(parts)) {
    const old = document.getElementById(id);
    const template = document.createElement("template");
    template.innerHTML = html;
    if (old && template.content.firstElementChild) morph(old, template.content.firstElementChild);
  }
  if (focused !== document.activeElement && focused.isConnected) {
    focused.focus({ preventScroll: true });
  }
}

document.addEventListener("animationend", ({ target }) => {
  target.classList.remove("changed");
  if (!target.classList.length) target.removeAttribute("class");
});

// --- the stream ---------------------------------------------------------------------------------

const live = document.querySelector("[data-live]");
const SILENCE_MS = 15_000;
let source = null;
let watch = 0;

function announce(text) {
  const notice = document.getElementById("connection");
  if (notice && notice.textContent !== text) notice.textContent = text;
  document.documentElement.classList.toggle("stale", text !== "");
}

function lost() {
  const time = document.querySelector("#state time")?.textContent ?? "";
  announce(
    `Connection lost. The figures are as of ${time} UTC; the page resumes as soon as ` +
      "the worker responds. If it does not, check that the worker is running.",
  );
}

function resetWatchdog() {
  clearTimeout(watch);
  watch = setTimeout(() => {
    lost();
    disconnect();
    connect();
  }, SILENCE_MS);
}

function connect() {
  if (!live || source || document.hidden) return;
  const address = new URL(location.href);
  address.hash = "";
  source = new EventSource(address);
  resetWatchdog();
  source.addEventListener("parts", (event) => {
    if ("wait" in live.dataset) {
      location.reload();
      return;
    }
    resetWatchdog();
    announce("");
    show(JSON.parse(event.data));
  });
  source.addEventListener("tick", resetWatchdog);
  source.addEventListener("waiting", (event) => {
    resetWatchdog();
    const { reason } = JSON.parse(event.data);
    const element = document.getElementById("reason");
    if (element) element.textContent = reason;
    const time = document.querySelector("#state time")?.textContent;
    if (time) announce(`The worker has no complete figures right now: ${reason}. These are as of ${time} UTC.`);
  });
  source.addEventListener("error", () => {
    lost();
    // Closed for good by an answer that is no stream: the worker may be about to stop, or to start.
    if (source?.readyState === EventSource.CLOSED) {
      disconnect();
      if ("wait" in live.dataset) {
        setTimeout(() => location.reload(), 2_000);
        return;
      }
      setTimeout(connect, 2_000);
    }
  });
}

function disconnect() {
  clearTimeout(watch);
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
// A page that goes into the browser's memory keeps no connection, and takes a new one when it returns.
addEventListener("pagehide", disconnect);
addEventListener("pageshow", connect);
connect();
