// A client whose events are checked by the compiler: `npx tsc --noEmit client.ts` beside node_modules.

import { io } from "socket.io-client";
import type { InvalidArgument, Note, RootSocket } from "./events.js";

const socket: RootSocket = io("http://127.0.0.1:5000");

socket.on("added", (note) => console.log("new:", note.text, note.color));
socket.on("removed", (id) => console.log("gone:", id));
socket.on("are you sure?", (text, answer) => answer(text.startsWith("Remove")));

function isRefused(answer: unknown): answer is InvalidArgument {
  return typeof answer === "object" && answer !== null && "error" in answer;
}

async function main() {
  const answer = await socket.emitWithAck("add", "Buy milk", "pink");
  if (isRefused(answer)) {
    console.error(answer.error.name, answer.error.message);
    return;
  }
  const notes: Note[] = (await socket.emitWithAck("all notes")) ?? [];
  console.log(notes.length, await socket.emitWithAck("remove", answer.id));
}

main();
