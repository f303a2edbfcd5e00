// The supervision tree as it lives. It is read when something happens in it, and now and then for what no event
// tells. Arrows walk it: right opens, left closes.

import { h, setText } from "../dom.js";
import { plural } from "../format.js";
import { ask } from "../net/ask.js";
import { ON_SUPERVISION, TREE } from "../net/documents.js";
import { follow, link } from "../net/socket.js";
import { events } from "./events.js";
import { actorName } from "./name.js";

const LOOK_EVERY_MS = 5_000;
const GATHER_MS = 250;
const MOST_CHILDREN = 200;

export function treePart() {
  const closed = new Set();
  const views = new Map();
  let roots = [];
  let active = null;
  let pause = 0;
  const tree = h("ul", { class: "tree", role: "tree", "aria-label": "Supervision tree", onkeydown: pressed, onclick: clicked, onfocusin: focused });
  const log = events();
  const node = h("section", { class: "part", "aria-labelledby": "tree-title" }, h("h2", { class: "eyebrow", id: "tree-title" }, "Supervision tree"), tree, log.node);

  async function look() {
    clearTimeout(pause);
    pause = 0;
    if (document.hidden || link.value.state !== "open") return;
    try {
      roots = (await ask(TREE)).supervisionTree;
      draw();
    } catch {
      // The connection's own banner says so; the next look heals it.
    }
  }

  function draw() {
    const seen = new Set();
    place(tree, roots, 1, seen);
    for (const path of views.keys()) if (!seen.has(path)) views.delete(path);
    if (!views.has(active)) active = roots[0]?.path ?? null;
    for (const [path, view] of views) view.item.tabIndex = path === active ? 0 : -1;
  }

  function place(parent, actors, level, seen) {
    const shown = actors.slice(0, MOST_CHILDREN);
    const items = shown.map((actor) => {
      seen.add(actor.path);
      const view = views.get(actor.path) ?? itemView(actor, level);
      views.set(actor.path, view);
      show(view, actor, level, seen);
      return view.item;
    });
    if (items.length !== parent.children.length || items.some((item, at) => parent.children[at] !== item)) parent.replaceChildren(...items);
  }

  function itemView(actor, level) {
    const name = h("span", { class: "actor-name" });
    const facts = h("small", {});
    const line = h("div", { class: "actor" }, h("i", { class: "twig", "aria-hidden": "true" }), h("i", { class: "dot", "aria-hidden": "true" }), name, facts);
    const group = h("ul", { role: "group" });
    const item = h("li", { role: "treeitem", "aria-level": level, tabindex: -1, "data-path": actor.path }, line);
    return { item, line, name, facts, group };
  }

  function show(view, actor, level, seen) {
    const children = actor.children ?? [];
    view.item.dataset.state = actor.state;
    view.item.dataset.breaker = actor.breaker ?? "";
    setText(view.name, actorName(actor.path));
    const facts = [
      actor.kind,
      actor.state === "RUNNING" ? "" : actor.state.toLowerCase(),
      actor.restarts > 0 ? plural(actor.restarts, "restart") : "",
      actor.mailbox > 0 ? `${actor.mailbox} queued` : "",
      actor.breaker && actor.breaker !== "CLOSED" ? `breaker ${actor.breaker.toLowerCase().replace("_", " ")}` : "",
    ];
    setText(view.facts, facts.filter(Boolean).join(" · "));
    view.line.title = actor.lastCause ? `${actor.path}: last ended by ${actor.lastCause}` : actor.path;
    if (children.length === 0) {
      view.item.removeAttribute("aria-expanded");
      view.group.remove();
      return;
    }
    const isOpen = !closed.has(actor.path);
    view.item.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) {
      if (!view.group.isConnected) view.item.append(view.group);
      place(view.group, children, level + 1, seen);
    } else {
      view.group.remove();
    }
  }

  function toggle(item, isOpen) {
    if (!item.hasAttribute("aria-expanded")) return;
    if (isOpen) closed.delete(item.dataset.path);
    else closed.add(item.dataset.path);
    draw();
  }

  function clicked(event) {
    const item = event.target.closest('[role="treeitem"]');
    if (!item) return;
    item.focus();
    toggle(item, item.getAttribute("aria-expanded") !== "true");
  }

  function focused(event) {
    active = event.target.closest('[role="treeitem"]')?.dataset.path ?? active;
    for (const [path, view] of views) view.item.tabIndex = path === active ? 0 : -1;
  }

  function pressed(event) {
    const items = [...tree.querySelectorAll('[role="treeitem"]')];
    const at = items.findIndex((item) => item.dataset.path === active);
    const item = items[at];
    const isOpen = item?.getAttribute("aria-expanded") === "true";
    if (event.key === "ArrowDown") items[at + 1]?.focus();
    else if (event.key === "ArrowUp") items[at - 1]?.focus();
    else if (event.key === "Home") items[0]?.focus();
    else if (event.key === "End") items.at(-1)?.focus();
    else if (event.key === "ArrowRight" && isOpen) items[at + 1]?.focus();
    else if (event.key === "ArrowRight") toggle(item, true);
    else if (event.key === "ArrowLeft" && isOpen) toggle(item, false);
    else if (event.key === "ArrowLeft") item?.parentElement.closest('[role="treeitem"]')?.focus();
    else if (event.key === "Enter" || event.key === " ") toggle(item, !isOpen);
    else return;
    event.preventDefault();
  }

  follow(ON_SUPERVISION, ({ onSupervision: event }) => {
    log.add(event);
    views.get(event.path)?.line.animate?.([{ backgroundColor: "var(--accent-soft)" }, {}], { duration: 900 });
    pause ||= setTimeout(look, GATHER_MS);
  });
  link.watch(({ state }) => state === "open" && look());
  document.addEventListener("visibilitychange", look);
  setInterval(look, LOOK_EVERY_MS);
  return node;
}
