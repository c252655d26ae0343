// The chat page: one connection, one room at a time.
//
// What others wrote only gets into the page as text, and pictures as Blobs of a type that is read from
// their bytes. What is written while the server is away waits in `outbox` and keeps its id, by which
// the server and this page know it again: it is sent once more, and shown once.
import * as log from "./log.js";
import { $, avatar, make, megabytes, memory, pictureType, randomToken } from "./tools.js";

const BACK_SOON_MS = 8_000; // who is back by then has not left: a reload, a server's restart
const TYPING_EVERY_MS = 2_000;
const TYPING_SHOWN_MS = 3_500;
const MAX_TRIES = 5;

let limits = { picture: 4_000_000 }; // until the server says its own
let wanted = null; // {name, room}: where to be again after a broken connection
const me = { name: "", room: "", key: randomToken(), joined: false }; // the server knows this tab by its key
const outbox = new Map(); // id -> message that the server has not answered, in the order of writing
const typists = new Map(); // name -> timer
const missing = new Map(); // name -> timer: gone, and perhaps back soon
let people = [];
let since = 0; // the time of the latest message that the server gave or confirmed
let attached = null; // the picture that goes with the next message
let unread = 0;
let connectedBefore = false;
let typedAt = 0;

// ?transport=polling or ?transport=websocket keeps to one of them, to try it out.
const only = new URLSearchParams(location.search).get("transport");
const socket = io({
  autoConnect: false,
  transports: only ? [only] : ["polling", "websocket"],
  reconnectionDelay: 500,
  reconnectionDelayMax: 3000,
});

// ---------------------------------------------------------------- connection

socket.on("connect", () => {
  connectedBefore = true;
  socket.io.engine.on("upgrade", showConnection);
  showConnection();
  if (wanted) join(wanted);
});

socket.on("disconnect", (reason) => {
  me.joined = false;
  // Told to go by the server, the client does not come back by itself.
  if (reason === "io server disconnect" && wanted) setTimeout(() => socket.active || socket.connect(), 1000);
  showConnection();
});

socket.on("connect_error", showConnection);

socket.on("replaced", () => leave("You went on in another tab."));

function showConnection() {
  const away = socket.active || wanted ? (connectedBefore ? "Reconnecting…" : "Connecting…") : "Not connected";
  const text = socket.connected ? `Connected over ${socket.io.engine.transport.name}` : away;
  $("chat").classList.toggle("away", !socket.connected); // who is online is not known then
  for (const element of document.querySelectorAll("[data-status]")) {
    if (element.textContent !== text) element.textContent = text;
    element.classList.toggle("good", socket.connected);
  }
}

function join({ name, room }) {
  const before = me.joined;
  me.joined = false; // what is written meanwhile waits
  socket.emit("join", { name, room, key: me.key, since: room === me.room ? since : 0 }, (reply) => {
    if (!reply.error) return enter(reply);
    if (!before) return leave(reply.error);
    me.joined = true;
    complain(reply.error);
    sendAll();
  });
}

function enter(reply) {
  const first = $("chat").hidden;
  const moved = reply.room !== me.room;
  const old = me.room;
  Object.assign(me, { name: reply.name, room: reply.room, joined: true });
  wanted = { name: me.name, room: me.room };
  memory.keep({ ...wanted, key: me.key });
  $("door").hidden = true;
  $("chat").hidden = false;
  $("room-name").textContent = me.room;
  history.replaceState(null, "", `${location.search}#${encodeURIComponent(me.room)}`);
  if (moved) clearRoom();
  showTitle();
  showPeople(reply.people, true);
  markRoom();
  reply.messages.forEach(receive);
  if (moved) returnUnsent(old);
  if (first || moved) {
    complain("");
    openSide(false);
    log.toEnd();
    $("text").focus();
  }
  sendAll();
}

function leave(message) {
  wanted = null;
  me.joined = false;
  memory.keep({ name: me.name, key: me.key });
  $("chat").hidden = true;
  $("door").hidden = false;
  $("door-error").textContent = message;
  document.title = "Chat";
  showConnection();
  $("door-name").focus();
}

// ---------------------------------------------------------------- rooms and people

socket.on("hello", (hello) => {
  limits = hello.limits;
  $("door-name").maxLength = limits.name;
  $("door-room").maxLength = $("new-room-name").maxLength = limits.room;
  $("text").maxLength = limits.text;
  $("picture-limit").textContent = `Pictures up to ${megabytes(limits.picture)}.`;
  showRooms(hello.rooms);
});

socket.on("rooms", showRooms);

socket.on("people", (listing) => {
  if (me.joined && listing.room === me.room) showPeople(listing.people, false);
});

function showRooms(rooms) {
  rooms.sort((a, b) => a.name.localeCompare(b.name));
  const focused = document.activeElement?.closest("#rooms button")?.dataset.room;
  $("rooms").replaceChildren(...rooms.map((room) => {
    const button = make("button", "", [make("span", "name", room.name)]);
    button.dataset.room = room.name;
    const count = make("span", "count", room.people ? String(room.people) : "");
    count.setAttribute("aria-hidden", "true");
    button.append(count, make("span", "unseen", `${room.people} online`));
    return make("li", "", [button]);
  }));
  $("known-rooms").replaceChildren(...rooms.map((room) => {
    const option = make("option");
    option.value = room.name;
    return option;
  }));
  markRoom();
  for (const button of $("rooms").querySelectorAll("button")) if (button.dataset.room === focused) button.focus();
}

function markRoom() {
  for (const button of $("rooms").querySelectorAll("button")) {
    if (button.dataset.room === me.room) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

function goTo(room) {
  openSide(false);
  if (room === me.room) return;
  // A message belongs where it was written.
  if (!me.joined || outbox.size) return complain("You can change rooms when your messages have been sent.");
  join({ name: me.name, room });
}

function showPeople(now, quietly) {
  for (const name of now) {
    clearTimeout(missing.get(name));
    if (!missing.delete(name) && !quietly && !people.includes(name)) log.note(`${name} joined`, since);
  }
  for (const name of people) {
    if (now.includes(name) || name === me.name) continue;
    stopsTyping(name);
    missing.set(name, setTimeout(() => missing.delete(name) && log.note(`${name} left`, since), BACK_SOON_MS));
  }
  people = now;
  $("people-count").textContent = String(now.length);
  $("room-people").textContent = now.length === 1 ? "Only you are here" : `${now.length} online`;
  $("people").replaceChildren(...now.map((name) => {
    const row = make("li", "", [avatar(name), make("span", "name", name)]);
    if (name === me.name) row.append(make("span", "you", "you"));
    return row;
  }));
}

function clearRoom() {
  missing.forEach(clearTimeout);
  missing.clear();
  [...typists.keys()].forEach(stopsTyping);
  log.clear();
  people = [];
  since = 0;
}

// ---------------------------------------------------------------- typing hint

function tellTyping() {
  if (!me.joined || !$("text").value || Date.now() - typedAt < TYPING_EVERY_MS) return;
  typedAt = Date.now();
  socket.volatile.emit("typing");
}

socket.on("typing", (name) => {
  clearTimeout(typists.get(name));
  typists.set(name, setTimeout(stopsTyping, TYPING_SHOWN_MS, name));
  showTypists();
});

function stopsTyping(name) {
  clearTimeout(typists.get(name));
  if (typists.delete(name)) showTypists();
}

function showTypists() {
  const [one, two, three] = typists.keys();
  if (three) $("typing").textContent = "Several people are typing…";
  else if (two) $("typing").textContent = `${one} and ${two} are typing…`;
  else $("typing").textContent = one ? `${one} is typing…` : "";
}

// ---------------------------------------------------------------- messages

socket.on("message", (message) => {
  if (message.room === me.room) receive(message);
});

function receive(message) {
  since = Math.max(since, message.at);
  stopsTyping(message.from);
  // Posted, but the answer was lost with the connection.
  if (outbox.has(message.id)) return arrived(outbox.get(message.id), message.at);
  if (log.has(message.id)) return;
  log.show({ ...message, own: message.from === me.name });
  if (document.hidden) {
    unread += 1;
    showTitle();
  }
}

function send(text, picture) {
  const item = { id: randomToken(), from: me.name, own: true, text, at: Infinity, writtenAt: Date.now(), tries: 0 };
  if (picture) Object.assign(item, { picture: picture.bytes, alt: picture.name });
  item.state = me.joined ? "sending" : "waiting";
  outbox.set(item.id, item);
  log.show(item);
  if (me.joined) transmit(item);
}

function sendAll() {
  for (const item of outbox.values()) transmit(item);
}

function transmit(item) {
  item.tries += 1;
  if (item.tries > MAX_TRIES) return refused(item, "The connection broke each time.");
  log.mark(item, "sending");
  const { id, text, picture, alt } = item;
  const message = picture ? { id, text, picture, alt } : { id, text };
  socket.emit("message", message, (reply) => (reply.error ? refused(item, reply.error) : arrived(item, reply.at)));
}

function arrived(item, at) {
  outbox.delete(item.id);
  since = Math.max(since, at);
  item.at = at;
  log.mark(item);
  log.place(item);
}

function refused(item, error) {
  outbox.delete(item.id);
  log.fail(item, error, () => {
    item.tries = 0;
    outbox.set(item.id, item);
    if (me.joined) transmit(item);
    else log.mark(item, "waiting");
  });
}

// In another room than they were written in, messages wait for their writer's word.
function returnUnsent(room) {
  for (const item of [...outbox.values()]) {
    item.from = me.name;
    log.show(item);
    refused(item, `You wrote it in ${room}.`);
  }
}

function showTitle() {
  document.title = `${unread ? `(${unread}) ` : ""}${me.room} – Chat`;
}

// ---------------------------------------------------------------- pictures

async function attach(file) {
  complain("");
  if (!file) return;
  if (file.size > limits.picture) {
    return complain(`${file.name} has ${megabytes(file.size)}: a picture may have up to ${megabytes(limits.picture)}.`);
  }
  const bytes = await file.arrayBuffer();
  const type = pictureType(bytes);
  if (!type) return complain(`${file.name} is not a PNG, JPEG, GIF or WebP picture.`);
  detach();
  attached = { bytes, name: file.name, url: URL.createObjectURL(new Blob([bytes], { type })) };
  $("preview-picture").src = attached.url;
  $("preview-name").textContent = file.name;
  $("preview-size").textContent = megabytes(file.size);
  $("preview").hidden = false;
  $("text").focus();
}

function detach() {
  if (attached) URL.revokeObjectURL(attached.url);
  attached = null;
  $("preview").hidden = true;
  $("file").value = "";
}

// ---------------------------------------------------------------- what people do

$("door-form").onsubmit = (event) => {
  event.preventDefault();
  $("door-error").textContent = "";
  wanted = { name: $("door-name").value, room: $("door-room").value };
  if (socket.connected) join(wanted);
  else if (!socket.active) socket.connect(); // to one that is on its way it would send a second CONNECT
};

$("new-room").onsubmit = (event) => {
  event.preventDefault();
  goTo($("new-room-name").value);
  $("new-room-name").value = "";
};

$("rooms").onclick = (event) => {
  const button = event.target.closest("button");
  if (button) goTo(button.dataset.room);
};

$("leave").onclick = () => {
  outbox.clear();
  openSide(false);
  leave("");
  socket.disconnect().connect(); // the server forgets who this was
};

$("composer").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  $("text").focus();
  if (!text && !attached) return;
  complain("");
  send(text, attached);
  detach();
  $("text").value = "";
  typedAt = 0;
  fitText();
};

$("text").onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
};

$("text").oninput = () => {
  tellTyping();
  fitText();
};

$("attach").onclick = () => $("file").click();
$("file").onchange = () => attach($("file").files[0]);
$("preview-remove").onclick = () => {
  detach();
  $("text").focus();
};
$("menu").onclick = () => openSide(!$("chat").classList.contains("side-open"));
$("shade").onclick = () => openSide(false);
$("viewer").onclick = (event) => {
  if (event.target === $("viewer")) $("viewer").close();
};

document.onkeydown = (event) => {
  if (event.key === "Escape") openSide(false);
};
document.onvisibilitychange = () => {
  if (document.hidden || !wanted) return;
  unread = 0;
  showTitle();
};
document.onpaste = (event) => {
  const file = event.clipboardData.files[0];
  if (!file || $("chat").hidden) return;
  event.preventDefault();
  attach(file);
};
document.ondragover = (event) => {
  event.preventDefault(); // a file dropped beside the room must not replace the page
  $("drop").hidden = $("chat").hidden || !event.dataTransfer.types.includes("Files");
};
document.ondragleave = (event) => {
  if (!event.relatedTarget) $("drop").hidden = true;
};
document.ondrop = (event) => {
  event.preventDefault();
  $("drop").hidden = true;
  if (!$("chat").hidden) attach(event.dataTransfer.files[0]);
};
window.onbeforeunload = (event) => {
  if (outbox.size) event.preventDefault();
};

function openSide(open) {
  $("chat").classList.toggle("side-open", open);
  $("menu").setAttribute("aria-expanded", String(open));
}

function complain(text) {
  $("notice").textContent = text;
}

function fitText() {
  $("text").style.height = "auto";
  $("text").style.height = `${$("text").scrollHeight + 2}px`;
}

// ---------------------------------------------------------------- start

const before = memory.recall();
if (before.key) me.key = before.key;
if (before.room) wanted = { name: before.name, room: before.room };
$("door-name").value = before.name ?? "";
$("door-room").value = before.room ?? (new URLSearchParams(`room=${location.hash.slice(1)}`).get("room") || "Lobby");
$("door-name").focus();
socket.connect();
showConnection();
