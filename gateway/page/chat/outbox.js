// Messages on their way. Each has a key, so that it can be sent until it is answered and is said once all the same,
// over a lost connection, a restart of the server and a reload of this page.

import { ask } from "../net/ask.js";
import { insist } from "../net/insist.js";
import { SEND } from "../net/documents.js";

const PLACE = "greenroom.outbox";

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE) ?? "[]");
  } catch {
    return [];
  }
}

function write(inputs) {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify(inputs));
  } catch {
    // Full or forbidden: then a reload forgets what was not answered.
  }
}

export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** A message's whole input, kept: a repetition must be the same. */
export function envelope(key, sessionId, content, agent) {
  const input = { sessionId, content, agent, wait: "ACCEPTED", idempotencyKey: key, metadata: { key } };
  write([...read(), input]);
  return input;
}

/** Sends until there is an answer. Throws `Refused` when nothing was accepted. */
export async function send(input, waiting) {
  try {
    return (await insist(() => ask(SEND, { input }), waiting)).sendChat;
  } finally {
    write(read().filter((other) => other.idempotencyKey !== input.idempotencyKey));
  }
}

/** What an earlier life of this page sent and saw no answer to. */
export const unanswered = () => read();
