// Subscriptions: one WebSocket (graphql-transport-ws) for the whole page. It comes back by itself, and every
// subscription with it, from where it stood.

import { signal } from "../signal.js";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
const PING_EVERY_MS = 10_000;
const SILENCE_MS = 25_000;
const LATE_MS = 15_000;
const AGAIN_MS = 1_000;

/** `{ state: "connecting" | "open" | "waiting", tries, retryAt }`. */
export const link = signal({ state: "connecting", tries: 0, retryAt: 0 });

const subscriptions = new Map();
let lastId = 0;
let socket = null;
let isReady = false;
let heardAt = 0;
let timer = 0;
let tries = 0;

/**
 * Subscribes for as long as the returned function isn't called. `variables()` is asked anew at each connection: that
 * is where a cursor goes. `next(data)` gets what comes, `ended(error)` is told that no more will, with the server's
 * reason if it had one.
 */
export function subscribe(query, variables, next, ended = () => {}) {
  const id = String((lastId += 1));
  subscriptions.set(id, { query, variables, next, ended });
  if (isReady) begin(id);
  else if (!socket && !timer) connect();
  return () => {
    if (subscriptions.delete(id) && isReady) say({ id, type: "complete" });
  };
}

/** Subscribes for as long as the page lives, to what tells how things are now: ended, it begins again. */
export function follow(query, next) {
  subscribe(query, () => ({}), next, () => setTimeout(() => follow(query, next), AGAIN_MS));
}

/** Comes true when there is a connection, or after a pause; for those who try a call again. */
export function reconnected(pauseMs) {
  return new Promise((resolve) => {
    let stop = () => {};
    const done = () => {
      clearTimeout(pause);
      stop();
      resolve();
    };
    const pause = setTimeout(done, pauseMs);
    let isFirst = true;
    stop = link.watch(({ state }) => {
      if (state === "open" && !isFirst) queueMicrotask(done);
      isFirst = false;
    });
  });
}

/** Tries now instead of later. */
export function connectNow() {
  if (timer) connect();
}

function connect() {
  clearTimeout(timer);
  timer = 0;
  link.set({ state: "connecting", tries, retryAt: 0 });
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`, "graphql-transport-ws");
  socket = mine;
  heardAt = Date.now();
  mine.onopen = () => say({ type: "connection_init" });
  mine.onmessage = ({ data }) => {
    heardAt = Date.now();
    if (socket === mine) received(JSON.parse(data));
  };
  mine.onclose = () => {
    if (socket === mine) lost();
  };
}

function received({ type, id, payload }) {
  if (type === "connection_ack") {
    isReady = true;
    tries = 0;
    for (const each of subscriptions.keys()) begin(each);
    link.set({ state: "open", tries: 0, retryAt: 0 });
  } else if (type === "ping") {
    say({ type: "pong" });
  } else if (type === "next") {
    if (payload.data) subscriptions.get(id)?.next(payload.data);
  } else if (type === "error" && payload[0]?.extensions?.retryable && subscriptions.has(id)) {
    // Another connection begins it by itself.
    const mine = socket;
    setTimeout(() => socket === mine && subscriptions.has(id) && begin(id), payload[0].extensions.retryAfterMs ?? AGAIN_MS);
  } else if (type === "error" || type === "complete") {
    const over = subscriptions.get(id);
    subscriptions.delete(id);
    over?.ended(type === "error" ? payload[0] : null);
  }
}

function begin(id) {
  const { query, variables } = subscriptions.get(id);
  say({ id, type: "subscribe", payload: { query, variables: variables() } });
}

function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function lost() {
  socket = null;
  isReady = false;
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries);
  const pause = longest / 2 + (Math.random() * longest) / 2;
  tries += 1;
  timer = setTimeout(connect, pause);
  link.set({ state: "waiting", tries, retryAt: Date.now() + pause });
}

// A connection can die without a word: whoever doesn't answer a ping is gone. In a hidden tab, or after a sleep, timers
// come late: then nobody was asked, and the silence says nothing.
let beatAt = Date.now();
setInterval(() => {
  const isLate = Date.now() - beatAt > LATE_MS;
  beatAt = Date.now();
  if (!isReady) return;
  if (!isLate && Date.now() - heardAt > SILENCE_MS) {
    const silent = socket;
    lost();
    silent.close();
  } else {
    say({ type: "ping" });
  }
}, PING_EVERY_MS);

window.addEventListener("online", connectNow);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && connectNow());
