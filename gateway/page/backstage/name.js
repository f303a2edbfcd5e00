// What an actor is called on the screen.

/** The last name of a path; an address in it loses what is the same of all, and a long hash its tail. */
export function actorName(path) {
  return path.split("/").at(-1).replace(/https?:__/, "").replace(/([0-9a-f]{8})[0-9a-f]{16,}/, "$1…");
}
