// Every task, newest first.

import { each, h, setText } from "../dom.js";
import { duration, heading, inputText, moment, usageText, when } from "../format.js";
import { icon } from "../icons.js";
import { ask } from "../net/ask.js";
import { TASKS } from "../net/documents.js";
import { link } from "../net/socket.js";
import { address } from "../router.js";
import { setChip } from "./steps.js";

const LOOK_EVERY_MS = 4_000;
const STATUSES = ["RUNNING", "ACCEPTED", "WAITING", "OUTCOME_UNKNOWN", "COMPLETED", "FAILED", "CANCELLED"];

export function tasksView() {
  let rows = [];
  let next = null;
  let pages = 1;
  let timer = 0;
  let reading = 0;
  const status = h("select", { id: "task-status", onchange: () => { pages = 1; refresh(); } },
    h("option", { value: "" }, "All"), STATUSES.map((each) => h("option", { value: each }, each.toLowerCase().replace("_", " "))));
  const list = h("ul", { class: "rows" });
  const more = h("button", { class: "button", hidden: true, onclick: () => { pages += 1; refresh(); } }, "Show more");
  const empty = h("div", { class: "empty", hidden: true }, h("div", { class: "empty-mark" }, icon("tasks")), h("h2", {}, "No tasks here."), h("p", {}, "Each turn of a conversation is a task, and so is what an agent hands to another."));
  const node = h("section", { class: "view", "aria-labelledby": "tasks-title" },
    h("header", { class: "view-head" }, h("h1", { class: "view-title", id: "tasks-title", tabindex: -1 }, "Tasks"),
      h("label", { class: "filter" }, "Status", status)),
    h("div", { class: "scroll", tabindex: -1 }, h("div", { class: "paper" }, list, more, empty)));

  async function refresh() {
    if (document.hidden) return;
    const mine = (reading += 1);
    const found = [];
    let after = null;
    try {
      for (let page = 0; page < pages; page += 1) {
        const { listTasks } = await ask(TASKS, { status: status.value || null, after });
        found.push(...listTasks.nodes);
        after = listTasks.pageInfo.hasNextPage ? listTasks.pageInfo.endCursor : null;
        if (!after) break;
      }
    } catch {
      // The connection's own banner says so; the next look heals it.
      return;
    }
    if (mine !== reading) return;
    next = after;
    rows = [...new Map(found.map((row) => [row.id, row])).values()];
    each(list, rows, (row) => row.id, rowView);
    more.hidden = !next;
    empty.hidden = rows.length > 0;
  }

  link.watch(({ state }) => state === "open" && timer && refresh());
  return {
    node,
    show() {
      refresh();
      timer ||= setInterval(refresh, LOOK_EVERY_MS);
    },
    hide() {
      clearInterval(timer);
      timer = 0;
    },
  };
}

function rowView(task) {
  const chip = h("span", {});
  const took = h("span", { class: "row-took" });
  const node = h("li", {}, h("a", { class: "row", href: address("task", task.id) },
    h("b", {}, task.agent),
    h("span", { class: "row-text" }, heading(inputText(task.input), 120)),
    chip,
    took,
    h("time", { title: moment(task.createdAt) }, when(task.createdAt))));
  const update = (row) => {
    setChip(chip, row.status);
    setText(took, [row.response ? duration(row.response.latencyMs) : "", usageText(row.response?.usage)].filter(Boolean).join(" · "));
    took.title = row.error ? row.error.message : "";
  };
  return { node, update };
}
