// Where one is, in the address: `#/chat`, `#/chat/ID`, `#/tasks`, `#/task/ID`, `#/waiting`, `#/backstage`.

import { signal } from "./signal.js";

const PLACES = new Set(["chat", "tasks", "task", "waiting", "backstage"]);

function parse(hash) {
  const [place, id] = hash.replace(/^#\/?/, "").split("/");
  if (!PLACES.has(place) || (place === "task" && !id)) return { place: "chat", id: null };
  let name = null;
  try {
    name = id ? decodeURIComponent(id) : null;
  } catch {
    // Not an address of ours.
  }
  return { place, id: name };
}

/** Where one is. */
export const route = signal(parse(location.hash));

window.addEventListener("hashchange", () => {
  const next = parse(location.hash);
  if (next.place !== route.value.place || next.id !== route.value.id) route.set(next);
});

export const address = (place, id) => `#/${place}${id ? `/${encodeURIComponent(id)}` : ""}`;

export function go(place, id) {
  location.hash = address(place, id);
}

/** Says where one has been all along: a conversation that just got its id. */
export function rename(place, id) {
  history.replaceState(null, "", address(place, id));
  route.set({ place, id, renamed: true });
}
