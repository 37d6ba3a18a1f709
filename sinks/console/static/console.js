// The page works without this file. With it, lines come by themselves, open in place, and the dead
// letters can be looked at. All HTML here was made by the server, which escapes what is in events.
"use strict";

const list = document.getElementById("lines");
const state = document.getElementById("state");
const pause = document.getElementById("pause");
const most = Number(list.dataset.most);
let position = list.dataset.position;
let feed = null;
let arrived = 0;

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

function say(text, kind) {
  if (state.textContent !== text) state.textContent = text;
  state.dataset.kind = kind;
}

// --- lines ---------------------------------------------------------------------------------------

function put(html) {
  const line = parsed(html).firstElementChild;
  const known = document.getElementById(line.id);
  if (!known) {
    line.classList.add("new");
    list.insertBefore(line, firstOlder(Number(line.dataset.number)));
    arrived += 1;
    while (list.children.length > most) list.lastElementChild.remove();
    return;
  }
  // In place: whoever has the line open, or the focus on it, keeps both.
  known.querySelector("summary").replaceChildren(...line.querySelector("summary").childNodes);
  if (known.firstElementChild.open) open(known);
}

// The feed tells of changes: one of an older line may come after a newer line.
function firstOlder(number) {
  let line = list.firstElementChild;
  while (line && Number(line.dataset.number) > number) line = line.nextElementSibling;
  return line;
}

async function open(line) {
  const place = line.querySelector(".opened");
  const query = new URLSearchParams(list.dataset.query);
  query.set("part", "documents");
  try {
    const answer = await fetch(`/events/${line.dataset.number}?${query}`);
    const shown = [...place.querySelectorAll("details[open] > summary b")].map((each) => each.textContent);
    place.replaceChildren(parsed(await answer.text()));
    for (const each of place.querySelectorAll("details")) {
      if (shown.includes(each.querySelector("summary b").textContent)) each.open = true;
    }
  } catch {
    place.textContent = "The console does not answer.";
  }
}

list.addEventListener("toggle", (event) => {
  const line = event.target.parentElement;
  if (line.classList.contains("line") && event.target.open) open(line);
}, true);

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, pre");
  if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  const here = document.activeElement.closest(".line");
  if (!step || (event.key.startsWith("Arrow") && !here)) return;
  const next = here ? (step > 0 ? here.nextElementSibling : here.previousElementSibling)
    : list.firstElementChild;
  if (next) {
    event.preventDefault();
    next.querySelector("summary").focus();
  }
});

// --- the live feed -------------------------------------------------------------------------------

function watch() {
  const query = new URLSearchParams(list.dataset.query);
  query.set("after", position);
  feed = new EventSource(`/live?${query}`);
  feed.addEventListener("open", () => say("live", "live"));
  feed.addEventListener("line", (event) => { position = event.lastEventId; put(event.data); });
  feed.addEventListener("gone", (event) => {
    position = event.lastEventId;
    document.getElementById(`e${event.data}`)?.remove();
  });
  feed.addEventListener("reset", (event) => {
    position = event.lastEventId;
    list.replaceChildren();
  });
  feed.addEventListener("error", () => {
    say("not connected, trying again", "lost");
    if (feed.readyState === EventSource.CLOSED) {  // refused: by itself it would not come back
      const closed = feed;
      setTimeout(() => { if (feed === closed) watch(); }, 3000);
    }
  });
}

function unwatch() {
  feed?.close();
  feed = null;
}

pause.addEventListener("click", () => {
  const paused = pause.getAttribute("aria-pressed") === "false";
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
  if (paused) {
    unwatch();
    say("paused", "paused");
  } else {
    say("connecting", "lost");
    watch();
  }
});

// A screen reader is told how many came, not each.
setInterval(() => {
  if (arrived && feed?.readyState === EventSource.OPEN) say(`live, ${arrived} new`, "live");
  else if (state.dataset.kind === "live") say("live", "live");
  arrived = 0;
}, 10000);

// A page that nobody sees keeps no connection: a browser has six for all of its tabs.
document.addEventListener("visibilitychange", () => {
  unwatch();
  if (!document.hidden && pause.getAttribute("aria-pressed") === "false") watch();
});

document.querySelector(".filters").addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
});

// --- dead letters --------------------------------------------------------------------------------

const form = document.getElementById("letters-form");
const letters = document.getElementById("letters-list");

async function ask(method, path) {
  const token = document.getElementById("token").value;
  const headers = { "Sinks-Console": "1" };
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(path, { method, headers });
  } catch {
    throw new Error("the console does not answer");
  }
  const text = await answer.text();
  if (answer.ok) return parsed(text);
  let told = {};
  try { told = JSON.parse(text); } catch { /* no answer of ours: its status has to do */ }
  throw new Error(told.reason ? `${told.reason}: ${told.detail}` : `status ${answer.status}`);
}

async function look(after) {
  const told = document.getElementById("letters-state");
  const pending = document.getElementById("pending").checked;
  told.textContent = "asking…";
  try {
    letters.replaceChildren(await ask("GET", `/letters?pending=${pending}&after=${after}`));
    told.textContent = "";
    sessionStorage.setItem("token", document.getElementById("token").value);
  } catch (error) {
    letters.replaceChildren();
    told.textContent = error.message;
  }
}

async function replay(button) {
  const outcome = button.parentElement.querySelector(".outcome");
  button.disabled = true;
  outcome.textContent = "…";
  try {
    const number = encodeURIComponent(button.dataset.replay);
    outcome.replaceChildren(await ask("POST", `/letters/replay?number=${number}`));
  } catch (error) {
    outcome.textContent = error.message;
  }
  button.disabled = false;
}

if (form) {
  form.hidden = false;
  document.getElementById("token").value = sessionStorage.getItem("token") ?? "";
  form.addEventListener("submit", (event) => { event.preventDefault(); look(0); });
  letters.addEventListener("click", (event) => {
    const { replay: number, after } = event.target.dataset;
    if (number) replay(event.target);
    if (after) look(encodeURIComponent(after));
  });
}

document.documentElement.classList.add("scripted");
pause.hidden = false;
say("connecting", "lost");
if (!document.hidden) watch();
