// One conversation: its head, its timeline and its customer.

import { chipsOf } from "./inbox.js";
import { clock, day, find, make, setAvatar, setChips, setText, sync, words } from "./dom.js";

const MARKS = { bot: "Bot", note: "Internal note" };
const FOLLOW_MS = 5 * 60000;

let shownId = "";

export function showConversation(open, teams) {
  for (const id of ["conversation", "customer"]) find(id).hidden = !open;
  find("nothing").hidden = Boolean(open);
  if (!open) return void (shownId = "");
  setText(find("subject"), open.subject || "No subject");
  const status = [[open.status === "open" ? "open" : "status", open.status[0].toUpperCase() + open.status.slice(1)]];
  const people = open.section === "parked" ? [["parked", "With the bot"]] : open.agents.map((agent) => ["agent", agent]);
  setChips(find("chips"), [...status, ...chipsOf(open), ...people]);
  setText(find("status"), open.status === "done" ? "Reopen" : "Mark done");
  find("take").disabled = open.mine;
  showTeams(open, teams);
  showTimeline(open);
  showCustomer(open.customer, open);
}

function showTeams(open, teams) {
  const select = find("team");
  const wanted = JSON.stringify(teams);
  if (select.dataset.shown !== wanted) {
    select.dataset.shown = wanted;
    const options = [{ id: "", name: "No team" }, ...teams].map(({ id, name }) => new Option(name, id));
    select.replaceChildren(...options);
  }
  if (document.activeElement !== select) select.value = open.team || "";
}

function showTimeline(open) {
  const scroll = find("scroll");
  const fresh = shownId !== open.id;
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
  const before = find("timeline").childElementCount;
  const entries = [];
  for (const entry of open.timeline) {
    const today = day(entry.at);
    if (entries.at(-1)?.day !== today) entries.push({ id: `day-${today}`, kind: "day", text: today, day: today });
    entries.push({ ...entry, day: today });
  }
  sync(find("timeline"), entries, createEntry, updateEntry);
  shownId = open.id;
  if (fresh || atEnd) toEnd();
  else if (entries.length > before) find("newer").hidden = false;
}

export function toEnd() {
  find("scroll").scrollTop = find("scroll").scrollHeight;
  find("newer").hidden = true;
}

function createEntry(entry) {
  if (entry.kind === "day") return make("li", "day", entry.text);
  const item = make("li", `entry ${entry.kind}`);
  const meta = make("div", "meta");
  if (MARKS[entry.kind]) meta.append(make("span", "mark", MARKS[entry.kind]));
  const time = make("time");
  time.dateTime = entry.at;
  meta.append(words("b", "by"), time);
  item.append(meta, words("div", "bubble"));
  return item;
}

function updateEntry(item, entry, previous) {
  if (entry.kind === "day") return;
  const close = previous && new Date(entry.at) - new Date(previous.at) < FOLLOW_MS;
  item.classList.toggle("follows", Boolean(close && previous.kind === entry.kind && previous.by === entry.by && entry.kind !== "note"));
  setText(item.querySelector(".by"), entry.by);
  setText(item.querySelector("time"), clock(entry.at));
  setText(item.querySelector(".bubble"), entry.text);
}

function showCustomer(customer, open) {
  const panel = find("facts");
  const wanted = JSON.stringify([customer, open.externalId, open.channels]);
  if (panel.dataset.shown === wanted) return;
  panel.dataset.shown = wanted;
  if (!customer) return void panel.replaceChildren(make("p", "empty", "This customer was deleted."));
  const avatar = make("span", "avatar");
  avatar.setAttribute("aria-hidden", "true");
  setAvatar(avatar, customer.name);
  const facts = make("dl");
  fact(facts, "E-mail", customer.emails);
  fact(facts, "Phone", customer.phones);
  fact(facts, "External id", customer.externalIds);
  fact(facts, "Customer tags", customer.tags);
  fact(facts, "Channel", open.channels);
  fact(facts, "Conversation key", open.externalId ? [open.externalId] : []);
  panel.replaceChildren(avatar, words("h2", "", customer.name), facts);
  if (customer.others.length) panel.append(make("h3", "", "Other conversations"), others(customer.others));
}

function fact(list, name, values) {
  if (!values.length) return;
  list.append(make("dt", "", name), ...values.map((value) => words("dd", "", value)));
}

function others(conversations) {
  const list = make("ul");
  for (const { id, subject, status } of conversations) {
    const item = make("li");
    const link = make("a");
    link.href = `#${id}`;
    link.append(words("span", "", subject), make("span", `chip ${status}`, status));
    item.append(link);
    list.append(item);
  }
  return list;
}
