// Written by `fastsio schema --format typescript`: what is changed here is lost.

import type { Socket } from "socket.io-client";

/** Binary values: what is sent, and what comes. */
export type Binary = ArrayBuffer | Uint8Array;

/** What hangs on the board. */
export interface Note {
  id: number;
  text: string;
  color: "pink" | "yellow";
  picture: Binary | null;
}

/** An argument was not valid, and the event was not handled. */
export interface InvalidArgument {
  error: {
    code: "invalid_argument";
    event: string;
    /** Its index, from 0. */
    argument: number;
    name: string;
    /** Where in the argument; empty for itself. */
    path: string;
    message: string;
  };
}

/** What the server sends in "/". */
export interface ServerToClientEvents {
  /** There is a new note. */
  added: (note: Note) => void;
  /** The client asks its user. */
  "are you sure?": (text: string, ack: (answer: boolean) => void) => void;
  /** A note was taken down. */
  removed: (id: number) => void;
}

/** What clients send in "/". */
export interface ClientToServerEvents {
  /** Pin a note, and get it with its id. */
  add: (...args: [text: string, ack: (answer: Note | InvalidArgument) => void] | [text: string, color: "pink" | "yellow", ack: (answer: Note | InvalidArgument) => void] | [text: string, color: "pink" | "yellow", picture: Binary | null, ack: (answer: Note | InvalidArgument) => void]) => void;
  "all notes": (ack: (answer: Note[]) => void) => void;
  /** Take a note down, if the user is sure. */
  remove: (id: number, ack: (answer: boolean | InvalidArgument) => void) => void;
}

export type RootSocket = Socket<ServerToClientEvents, ClientToServerEvents>;
