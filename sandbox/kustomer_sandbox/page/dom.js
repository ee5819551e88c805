// Small helpers. Every text goes through textContent, so nothing a customer writes is ever read as markup.

export const find = (id) => document.getElementById(id);

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A piece of text by a person: its direction follows its first strong character. */
export function words(tag, className, text) {
  const element = make(tag, className, text);
  element.dir = "auto";
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes `parent` show `items` by `key`, touching only what changed, so that focus, selection and scroll stay. */
export function sync(parent, items, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  items.forEach((item, index) => {
    let element = old.get(item.id);
    if (element) {
      old.delete(item.id);
    } else {
      element = create(item);
      element.dataset.key = item.id;
    }
    update(element, item, items[index - 1]);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  });
  for (const element of old.values()) element.remove();
}

export function setChips(parent, chips) {
  const wanted = JSON.stringify(chips);
  if (parent.dataset.shown === wanted) return;
  parent.dataset.shown = wanted;
  parent.replaceChildren(...chips.map(([kind, text]) => words("span", `chip ${kind}`, text)));
}

export function setAvatar(element, name) {
  const parts = name.split(/\s+/).filter(Boolean);
  const initials = [parts[0], parts.length > 1 ? parts[parts.length - 1] : ""].map((part) => [...(part || "")][0] || "");
  setText(element, initials.join("").toLocaleUpperCase());
  let sum = 0;
  for (const character of name) sum += character.codePointAt(0);
  element.dataset.tone = String(sum % 6);
}

const TIME = new Intl.DateTimeFormat([], { hour: "numeric", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat([], { weekday: "long", day: "numeric", month: "long" });
const SHORT_DAY = new Intl.DateTimeFormat([], { day: "numeric", month: "short" });

export const clock = (iso) => TIME.format(new Date(iso));
export const day = (iso) => DAY.format(new Date(iso));

/** "now", "5 min", "3 h", then a date. */
export function ago(iso) {
  const minutes = Math.floor((Date.now() - new Date(iso)) / 60000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h` : SHORT_DAY.format(new Date(iso));
}
