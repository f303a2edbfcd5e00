// The conversations, newest first: open, rename, delete. One of them is in the tab order; arrows go to the others.

import { each, fill, h, setText } from "../dom.js";
import { moment, when } from "../format.js";
import { icon } from "../icons.js";
import { ask } from "../net/ask.js";
import { DELETE, RENAME, SESSIONS } from "../net/documents.js";
import { insist } from "../net/insist.js";
import { link } from "../net/socket.js";
import { address, go, route } from "../router.js";
import { confirmed } from "../shell/dialog.js";
import { toast } from "../shell/notice.js";

const LOOK_EVERY_MS = 15_000;

export function sessionList(parent, { renamed }) {
  let rows = [];
  let next = null;
  let pages = 1;
  let editing = null;
  let roving = null;
  let isReading = false;
  const list = h("ul", { class: "session-list", onkeydown: pressed, onfocusin: (event) => rove(event.target.closest("li")?.dataset.id) });
  const more = h("button", { class: "button small quiet-button", hidden: true, onclick: () => { pages += 1; refresh(); } }, "Show more");
  const empty = h("p", { class: "quiet", hidden: true }, "None yet. The first begins with what you say.");
  parent.append(list, more, empty);

  /** Reads as many pages as are shown. */
  async function refresh() {
    if (isReading || document.hidden) return;
    isReading = true;
    try {
      const found = [];
      next = null;
      for (let page = 0; page < pages; page += 1) {
        const { listSessions } = await ask(SESSIONS, { after: next });
        found.push(...listSessions.nodes);
        next = listSessions.pageInfo.hasNextPage ? listSessions.pageInfo.endCursor : null;
        if (!next) break;
      }
      // A conversation that moved between two pages is read twice.
      rows = [...new Map(found.map((row) => [row.id, row])).values()];
      draw();
    } catch {
      // The connection's own banner says so; the next look heals it.
    }
    isReading = false;
  }

  function draw() {
    if (!rows.some((row) => row.id === roving)) roving = rows.find((row) => row.id === route.value.id)?.id ?? rows[0]?.id ?? null;
    each(list, rows, (row) => row.id, rowView);
    more.hidden = !next;
    empty.hidden = rows.length > 0;
  }

  function rowView({ id }) {
    const node = h("li", { "data-id": id });
    const update = (row) => {
      const isCurrent = route.value.place === "chat" && route.value.id === id;
      node.classList.toggle("current", isCurrent);
      fill(node, editing === id, () => (editing === id ? editor(row) : shown(row)));
      if (editing === id) return;
      const anchor = node.firstElementChild;
      setText(anchor.firstElementChild, row.title ?? "Untitled");
      setText(anchor.lastElementChild, when(row.createdAt));
      anchor.title = `Begun ${moment(row.createdAt)}, last changed ${moment(row.updatedAt)}`;
      if (isCurrent) anchor.setAttribute("aria-current", "page");
      else anchor.removeAttribute("aria-current");
      node.querySelectorAll("button")[0].setAttribute("aria-label", `Rename “${row.title ?? "Untitled"}”`);
      node.querySelectorAll("button")[1].setAttribute("aria-label", `Delete “${row.title ?? "Untitled"}”`);
      for (const each of node.querySelectorAll("a, button")) each.tabIndex = id === roving ? 0 : -1;
    };
    return { node, update };
  }

  function shown({ id }) {
    return [
      h("a", { href: address("chat", id) }, h("span", { class: "session-title" }), h("time", {})),
      h("span", { class: "session-actions" },
        h("button", { class: "icon-button small", type: "button", title: "Rename (F2)", onclick: () => edit(id) }, icon("pencil")),
        h("button", { class: "icon-button small", type: "button", title: "Delete (Del)", onclick: () => remove(id) }, icon("bin"))),
    ];
  }

  function editor(row) {
    const field = h("input", { value: row.title ?? "", maxlength: 200, "aria-label": "New title", onkeydown: (event) => {
      event.stopPropagation();
      if (event.key === "Escape") edit(null, row.id);
      if (event.key === "Enter" && !event.isComposing) save(row, field.value);
    }, onblur: () => editing === row.id && save(row, field.value, false) });
    queueMicrotask(() => field.select());
    return field;
  }

  function edit(id, focus = null) {
    editing = id;
    draw();
    if (focus) focusOn(focus);
  }

  async function save(row, text, refocus = true) {
    const title = text.trim() || null;
    edit(null, refocus ? row.id : null);
    if (title === row.title) return;
    const before = row.title;
    row.title = title;
    draw();
    try {
      await insist(() => ask(RENAME, { id: row.id, title }));
      renamed(row.id, title);
    } catch (error) {
      row.title = before;
      draw();
      toast(error.message, { kind: "bad", code: error.code });
    }
    refresh();
  }

  async function remove(id) {
    const row = rows.find((each) => each.id === id);
    const sure = await confirmed({
      title: "Delete this conversation?",
      text: `“${row.title ?? "Untitled"}” and all its messages are removed, and what still runs in it is cancelled. This can't be undone.`,
      yes: "Delete",
    });
    if (!sure) return;
    try {
      // The second of two deletions finds nothing, which is what was wanted.
      await insist(() => ask(DELETE, { id })).catch((error) => {
        if (error.code !== "NOT_FOUND") throw error;
      });
      const at = rows.indexOf(row);
      rows = rows.filter((each) => each.id !== id);
      roving = rows[Math.min(at, rows.length - 1)]?.id ?? null;
      draw();
      if (route.value.place === "chat" && route.value.id === id) go("chat");
      else if (roving) focusOn(roving);
      toast("Deleted.");
    } catch (error) {
      toast(error.message, { kind: "bad", code: error.code });
    }
    refresh();
  }

  const focusOn = (id) => list.querySelector(`li[data-id="${CSS.escape(id)}"] a`)?.focus();

  function rove(id) {
    if (!id || id === roving) return;
    roving = id;
    draw();
  }

  function pressed(event) {
    const at = rows.findIndex((row) => row.id === roving);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (event.key === "F2") edit(roving);
    else if (event.key === "Delete") remove(roving);
    else if (to !== undefined && rows[to]) focusOn(rows[to].id);
    else if (to === undefined) return;
    event.preventDefault();
  }

  route.watch(() => draw());
  link.watch(({ state }) => state === "open" && refresh());
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, LOOK_EVERY_MS);
  return { refresh };
}
