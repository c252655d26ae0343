// The messages on the page, in the server's order; those that it has not confirmed come last.
//
// An item is a message {id, from, text, picture?, alt?, at} with `own`, and `state` while it is
// "sending", "waiting" or "failed". Knows nothing of the connection.
import { $, avatar, make, pictureType } from "./tools.js";

const GROUP_MS = 5 * 60_000; // messages of one person this close together share a heading
const MAX_SHOWN = 300;
const STATES = { sending: "Sending…", waiting: "Waits for the connection" };

const list = $("messages");
const view = $("log");
const shown = new Map(); // id -> item
let stuck = true; // to the end, unless the reader has scrolled up

export const has = (id) => shown.has(id);

export function show(item) {
  shown.set(item.id, item);
  item.time = make("time");
  item.stateText = make("span", "state");
  item.bubble = make("div", "bubble", [make("p", "from", item.own ? "You" : item.from)]);
  if (item.picture) item.bubble.append(picture(item));
  if (item.text) item.bubble.append(make("p", "text", item.text));
  item.bubble.append(make("p", "meta", [item.time, item.stateText]));
  item.element = make("li", item.own ? "message own" : "message", [avatar(item.from), item.bubble]);
  item.element.item = item;
  mark(item, item.state);
  place(item);
  if (item.own) toEnd();
}

/** Show that a message is "sending", "waiting", or with undefined that it has arrived. */
export function mark(item, state) {
  item.state = state;
  item.element.classList.toggle("pending", state === "sending" || state === "waiting");
  item.element.classList.toggle("failed", state === "failed");
  item.stateText.textContent = STATES[state] ?? "";
  item.choice?.remove();
  showTime(item);
}

/** Show why a message was not sent, and let the writer choose. */
export function fail(item, error, sendAgain) {
  mark(item, "failed");
  item.stateText.textContent = `Not sent. ${error}`;
  const again = make("button", "", "Send again");
  const discard = make("button", "", "Discard");
  again.onclick = sendAgain;
  discard.onclick = () => {
    forget(item);
    $("text").focus();
  };
  item.choice = make("p", "choice", [again, discard]);
  item.bubble.append(item.choice);
  stay();
}

/** Put a message where its time says: after the last one that is not later. */
export function place(item) {
  const nextBefore = item.element.nextElementSibling;
  let above = list.lastElementChild;
  while (above && (above === item.element || above.item.at > item.at)) above = above.previousElementSibling;
  const below = above ? above.nextElementSibling : list.firstElementChild;
  if (below !== item.element) list.insertBefore(item.element, below);
  [nextBefore, item.element, item.element.nextElementSibling].forEach(group);
  if (list.childElementCount > MAX_SHOWN) forget(list.firstElementChild.item);
  if (stuck) toEnd();
  else if (item.from && !item.own) $("newer").hidden = false;
}

/** A line about something that happened, after the messages up to the time `at`. */
export function note(text, at) {
  const element = make("li", "note", text);
  element.item = { element, at };
  place(element.item);
}

export function clear() {
  for (const item of shown.values()) release(item);
  shown.clear();
  list.replaceChildren();
  toEnd();
}

export function toEnd() {
  view.scrollTop = view.scrollHeight;
  stuck = true;
  $("newer").hidden = true;
}

function stay() {
  if (stuck) toEnd();
}

function forget(item) {
  const next = item.element.nextElementSibling;
  item.element.remove();
  shown.delete(item.id);
  release(item);
  group(next);
}

function release(item) {
  if (item.url) URL.revokeObjectURL(item.url);
}

function group(element) {
  const item = element?.item;
  if (!item?.from) return;
  const above = element.previousElementSibling?.item;
  element.classList.toggle("follows", above?.from === item.from && moment(item) - moment(above) < GROUP_MS);
}

function moment(item) {
  return item.at === Infinity ? item.writtenAt : item.at;
}

function showTime(item) {
  const date = new Date(moment(item));
  const today = date.toDateString() === new Date().toDateString();
  item.time.dateTime = date.toISOString();
  item.time.title = date.toLocaleString();
  item.time.textContent = date.toLocaleString([], { weekday: today ? undefined : "short", hour: "2-digit", minute: "2-digit" });
}

function picture(item) {
  const type = pictureType(item.picture);
  const broken = make("p", "broken", "(a picture that cannot be shown)");
  if (!type) return broken;
  item.url = URL.createObjectURL(new Blob([item.picture], { type }));
  const image = make("img");
  const button = make("button", "picture", [image]);
  image.alt = `Picture from ${item.own ? "you" : item.from}${item.alt ? `: ${item.alt}` : ""}`;
  image.onload = stay;
  image.onerror = () => button.replaceWith(broken);
  image.src = item.url;
  button.onclick = () => {
    $("viewer-picture").src = item.url;
    $("viewer-picture").alt = image.alt;
    $("viewer").showModal();
  };
  return button;
}

view.onscroll = () => {
  stuck = view.scrollHeight - view.scrollTop - view.clientHeight < 80;
  if (stuck) $("newer").hidden = true;
};
$("newer").onclick = toEnd;
new ResizeObserver(stay).observe(view); // a phone's keyboard came or went
