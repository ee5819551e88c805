// Asks the sandbox once a second what is new, shows it, and sends what the agent does.

import { find, setAvatar, setText } from "./dom.js";
import { neighbour, render, showInbox } from "./inbox.js";
import { showConversation, toEnd } from "./timeline.js";

const POLL_MS = 1000;
const TICK_MS = 15000;
const drafts = new Map();

let version = -1;
let shown = null;
let openId = location.hash.slice(1);
let busy = Promise.resolve();

function refresh() {
  busy = busy.then(load, load);
  return busy;
}

async function load() {
  const asked = openId;
  try {
    const query = new URLSearchParams({ version, open: asked });
    const answer = await fetch(`/sandbox/desk?${query}`, { cache: "no-store" });
    const news = await answer.json();
    setLink("live", "Live");
    if (asked !== openId || !news.inbox) return;
    version = news.version;
    shown = news;
    show();
  } catch {
    setLink("lost", "Sandbox is not answering");
  }
}

function setLink(state, text) {
  find("link").dataset.state = state;
  setText(find("link"), text);
}

function show() {
  setText(find("org"), shown.org);
  setText(find("me"), shown.agent);
  setAvatar(find("me-avatar"), shown.agent);
  showInbox(shown.inbox, openId);
  if (shown.open) shown.open.mine = shown.open.agents.includes(shown.agent);
  document.body.dataset.view = shown.open ? "conversation" : "inbox";
  showConversation(shown.open, shown.teams);
  const waiting = shown.inbox.filter((entry) => entry.section === "waiting").length;
  document.title = waiting ? `(${waiting}) Sandbox desk` : "Sandbox desk";
}

function choose(id) {
  showPanel(false);
  drafts.set(openId, find("text").value);
  openId = id;
  version = -1;
  find("text").value = drafts.get(id) || "";
  find("error").hidden = true;
  refresh();
}

async function act(verb, body) {
  const answer = await fetch(`/sandbox/desk/${openId}/${verb}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => null);
  const error = find("error");
  error.hidden = Boolean(answer?.ok);
  if (!answer?.ok) setText(error, answer ? (await answer.json()).error : "Not sent: the sandbox is not answering.");
  await refresh();
  return Boolean(answer?.ok);
}

find("reply").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = find("text");
  const sent = text.value;
  if (!sent.trim()) return;
  text.value = "";
  if (await act("reply", { text: sent })) toEnd();
  else text.value = text.value || sent;
});
find("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  find("reply").requestSubmit();
});
find("team").addEventListener("change", (event) => act("change", { team: event.target.value || null }));
find("take").addEventListener("click", () => act("change", { take: true }));
find("status").addEventListener("click", () => act("change", { status: shown.open.status === "done" ? "open" : "done" }));
find("back").addEventListener("click", () => { location.hash = ""; });
find("details").addEventListener("click", () => showPanel(document.body.dataset.panel !== "open"));
find("close").addEventListener("click", () => showPanel(false));
find("newer").addEventListener("click", toEnd);
find("scroll").addEventListener("scroll", ({ target }) => {
  if (target.scrollHeight - target.scrollTop - target.clientHeight < 60) find("newer").hidden = true;
});
find("search").addEventListener("input", render);
window.addEventListener("hashchange", () => choose(location.hash.slice(1)));

function showPanel(open) {
  document.body.dataset.panel = open ? "open" : "closed";
  find("details").setAttribute("aria-expanded", String(open));
  if (open) find("close").focus();
}

const KEYS = {
  "/": () => find("search").focus(),
  r: () => shown?.open && find("text").focus(),
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
};

function move(step) {
  const id = neighbour(step);
  if (id) location.hash = id;
  document.querySelector(`.row[href="#${CSS.escape(id || "")}"]`)?.focus();
}

document.addEventListener("keydown", (event) => {
  const writing = event.target.matches("input, textarea, select");
  if (event.key === "Escape") {
    if (writing) event.target.blur();
    else if (document.body.dataset.panel === "open") showPanel(false);
    else location.hash = "";
  } else if (KEYS[event.key] && !writing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    if (event.key.startsWith("Arrow") && event.target.closest(".scroll")) return;
    event.preventDefault();
    KEYS[event.key]();
  }
});

async function poll() {
  await refresh();
  setTimeout(poll, POLL_MS);
}

poll();
setInterval(() => shown && show(), TICK_MS);
