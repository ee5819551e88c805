// The list of conversations, in sections, with a filter and keys.

import { ago, find, make, setAvatar, setChips, setText, sync, words } from "./dom.js";

const SECTIONS = [
  ["waiting", "Waiting for an agent"],
  ["answered", "Open, nobody waiting"],
  ["snoozed", "Snoozed"],
  ["parked", "With the bot"],
  ["done", "Done"],
];
const LAST_BY = { customer: "", bot: "Bot: ", agent: "Agent: " };

let entries = [];
let chosen = "";

/** The chips that say how urgent a conversation is, and with whom. */
export function chipsOf(entry) {
  const chips = [];
  if (entry.waitingSince) chips.push(["waiting", `Waiting ${ago(entry.waitingSince)}`.replace(" now", "")]);
  if (entry.section !== "done") chips.push([`priority p${entry.priority}`, entry.priorityWord]);
  entry.teams.forEach((team) => chips.push(["team", team]));
  entry.tags.forEach((tag) => chips.push(["tag", tag]));
  return chips;
}

export function showInbox(inbox, open) {
  entries = inbox;
  chosen = open;
  render();
}

export function neighbour(step) {
  const shown = visible();
  const at = shown.findIndex((entry) => entry.id === chosen);
  return shown[Math.min(Math.max(at + step, 0), shown.length - 1)]?.id;
}

export function render() {
  const shown = visible();
  const sections = SECTIONS.map(([id, title]) => ({ id, title, rows: shown.filter((entry) => entry.section === id) }));
  sync(find("sections"), sections.filter((section) => section.rows.length), createSection, updateSection);
  const empty = find("inbox-empty");
  empty.hidden = shown.length > 0;
  setText(empty, entries.length ? "Nothing matches." : "No conversations yet. They appear here by themselves.");
}

function visible() {
  const wanted = find("search").value.trim().toLocaleLowerCase();
  const hay = (entry) => [entry.who, entry.subject, entry.lastText, ...entry.teams, ...entry.tags].join("\n");
  return wanted ? entries.filter((entry) => hay(entry).toLocaleLowerCase().includes(wanted)) : entries;
}

function createSection(section) {
  const element = make("section");
  const title = make("h2");
  title.append(make("span", "", section.title), make("span", "count"));
  element.append(title, make("ul"));
  return element;
}

function updateSection(element, section) {
  setText(element.querySelector(".count"), String(section.rows.length));
  sync(element.querySelector("ul"), section.rows, createRow, updateRow);
}

function createRow() {
  const item = make("li");
  const row = make("a", "row");
  const avatar = make("span", "avatar");
  avatar.setAttribute("aria-hidden", "true");
  row.append(avatar, words("span", "who"), make("time", "when"), words("span", "subject"), last());
  row.append(make("span", "chips"));
  item.append(row);
  return item;
}

function last() {
  const element = make("span", "last");
  element.append(make("span", "by"), words("bdi", "said"));
  return element;
}

function updateRow(item, entry) {
  const row = item.firstElementChild;
  const part = (name) => row.querySelector(`.${name}`);
  row.setAttribute("href", `#${entry.id}`);
  row.setAttribute("aria-current", String(entry.id === chosen));
  row.dataset.section = entry.section;
  setAvatar(part("avatar"), entry.who);
  setText(part("who"), entry.who);
  setText(part("when"), ago(entry.lastActivityAt));
  setText(part("subject"), entry.subject || "No subject");
  setText(part("by"), LAST_BY[entry.lastBy] || "");
  setText(part("said"), entry.lastText);
  part("last").hidden = !entry.lastText || entry.lastText === entry.subject;
  setChips(part("chips"), chipsOf(entry));
}
