// Everything that waits for a person, wherever it came from.

import { each, h } from "../dom.js";
import { heading, inputText, moment, when } from "../format.js";
import { icon } from "../icons.js";
import { ask } from "../net/ask.js";
import { TASK_STEPS, WAITING } from "../net/documents.js";
import { link } from "../net/socket.js";
import { address } from "../router.js";
import { signal } from "../signal.js";
import { decision } from "./decision.js";
import { allSteps, statusChip } from "./steps.js";

const LOOK_EVERY_MS = 5_000;

export function waitingView() {
  /** How many wait. */
  const waiting = signal(0);
  let tasks = [];
  let isReading = false;
  const list = h("div", { class: "cards" });
  const empty = h("div", { class: "empty" }, h("div", { class: "empty-mark" }, icon("check")), h("h2", {}, "Nothing waits for you."), h("p", {}, "When an agent asks for an approval, or a crash leaves it unknown whether an effect happened, it is here."));
  const node = h("section", { class: "view", "aria-labelledby": "waiting-title" },
    h("header", { class: "view-head" }, h("h1", { class: "view-title", id: "waiting-title", tabindex: -1 }, "Waiting for you")),
    h("div", { class: "scroll", tabindex: -1 }, h("div", { class: "paper" }, list, empty)));

  async function refresh() {
    if (isReading || document.hidden) return;
    isReading = true;
    try {
      const { waiting: asked, unknown } = await ask(WAITING);
      tasks = [...asked.nodes, ...unknown.nodes].sort((a, b) => b.updatedAt.localeCompare(a.updatedAt));
      draw();
    } catch {
      // The connection's own banner says so; the next look heals it.
    }
    isReading = false;
  }

  function draw() {
    empty.hidden = tasks.length > 0;
    each(list, tasks, (task) => `${task.id} ${task.status}`, card);
    waiting.set(tasks.length);
  }

  function card(task) {
    const place = h("div", { class: "asked" }, h("p", { class: "quiet" }, "Looking…"));
    const node = h("article", { class: "card", "data-task": task.id },
      h("header", { class: "card-head" }, h("b", {}, task.agent), statusChip(task.status), h("time", { title: moment(task.updatedAt) }, when(task.updatedAt))),
      h("p", { class: "card-input" }, heading(inputText(task.input), 160)),
      place,
      h("a", { class: "more-link", href: address("task", task.id) }, "Open the timeline", icon("chevron")));
    showSteps(task, place);
    return { node };
  }

  async function showSteps(task, place) {
    try {
      const steps = await allSteps(TASK_STEPS, task.id);
      const open = steps.filter((step) => step.status === "WAITING" || step.status === "OUTCOME_UNKNOWN");
      place.replaceChildren(...open.map((step) => decision(task.id, step, refresh)));
    } catch (error) {
      place.replaceChildren(h("p", { class: "problem" }, error.message));
    }
  }

  link.watch(({ state }) => state === "open" && refresh());
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, LOOK_EVERY_MS);
  return { node, waiting, refresh, show: refresh };
}
