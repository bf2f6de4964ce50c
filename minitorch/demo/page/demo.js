// What the exhibits share: the tabs, how far the training is, and asking the server.
"use strict";

const byId = (id) => document.getElementById(id);
const NAMES = ["digits", "attention", "boxes"];
const starting = {}; // name -> what to do when its model is ready

function choose(name) {
  for (const other of NAMES) {
    const tab = byId(`tab-${other}`), chosen = other === name;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    byId(other).hidden = !chosen;
  }
  history.replaceState(null, "", `#${name}`);
}

for (const [k, name] of NAMES.entries()) {
  byId(`tab-${name}`).addEventListener("click", () => choose(name));
  byId(`tab-${name}`).addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = NAMES[(k + step + NAMES.length) % NAMES.length];
    choose(next);
    byId(`tab-${next}`).focus();
  });
}

function complain(message) {
  byId("error").textContent = message;
  byId("error").hidden = !message;
}

// The answer of an exhibit. Of several questions asked while one is under way only the last is sent.
function asker(name, show) {
  let busy = false, waiting = null;
  return async function ask(request) {
    if (busy) {
      waiting = request;
      return;
    }
    busy = true;
    try {
      const response = await fetch(`/api/${name}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request) });
      const answer = await response.json();
      complain(response.ok ? "" : answer.error);
      if (response.ok) show(answer);
    } catch {
      complain("The server does not answer: has it been stopped?");
    }
    busy = false;
    if (waiting) {
      const next = waiting;
      waiting = null;
      ask(next);
    }
  };
}

async function watch() {
  let status;
  try {
    status = await (await fetch("/api/status")).json();
  } catch {
    complain("The server does not answer: has it been stopped?");
    return;
  }
  let open = 0;
  for (const [name, { state, done, words }] of Object.entries(status)) {
    const section = byId(name), line = section.querySelector(".status");
    section.classList.toggle("waiting", state !== "ready");
    if (state === "training") {
      const bar = element("progress", { max: 1, value: done });
      line.replaceChildren(bar, `training: ${words}`);
    } else {
      line.textContent = { waiting: "waiting for its turn to be trained", ready: words, failed: `failed: ${words}` }[state];
    }
    if (state === "ready" && starting[name]) {
      starting[name]();
      delete starting[name];
    }
    if (state === "waiting" || state === "training") open += 1;
  }
  if (open) setTimeout(watch, 400);
}

// Scripts of the exhibits follow; then everything is there.
addEventListener("load", () => {
  choose(NAMES.includes(location.hash.slice(1)) ? location.hash.slice(1) : "digits");
  watch();
});
