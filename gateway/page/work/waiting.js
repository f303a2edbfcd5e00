// Everything that waits for a person, wherever it came from.

import { each, h, setText } from "../dom.js";
import { heading, inputText, moment, when } from "../format.js";
import { icon } from "../icons.js";
import { ask } from "../net/ask.js";
import { TASK_STEPS, WAITING } from "../net/documents.js";
import { renewing } from "../net/renewing.js";
import { link } from "../net/socket.js";
import { address } from "../router.js";
import { signal } from "../signal.js";
import { decision } from "./decision.js";
import { allSteps, setChip } from "./steps.js";

const LOOK_EVERY_MS = 5_000;

export function waitingView() {
  /** How many wait. */
  const waiting = signal(0);
  let tasks = [];
  const list = h("div", { class: "cards" });
  const empty = h("div", { class: "empty" }, h("div", { class: "empty-mark" }, icon("check")), h("h2", {}, "Nothing waits for you."), h("p", {}, "When an agent asks for an approval, or a crash leaves it unknown whether an effect happened, it is here."));
  const node = h("section", { class: "view", "aria-labelledby": "waiting-title" },
    h("header", { class: "view-head" }, h("h1", { class: "view-title", id: "waiting-title", tabindex: -1 }, "Waiting for you")),
    h("div", { class: "scroll", tabindex: -1 }, h("div", { class: "paper" }, list, empty)));

  const refresh = renewing(async () => {
    if (document.hidden) return;
    try {
      const { waiting: asked, unknown } = await ask(WAITING);
      tasks = [...asked.nodes, ...unknown.nodes].sort((a, b) => b.updatedAt.localeCompare(a.updatedAt));
      draw();
    } catch {
      // The connection's own banner says so; the next look heals it.
    }
  });

  function draw() {
    empty.hidden = tasks.length > 0;
    each(list, tasks, (task) => task.id, card);
    waiting.set(tasks.length);
  }

  /** A task may ask again: its steps are read whenever it changed, and a form stays as long as its question. */
  function card({ id, agent, input }) {
    let seenAt = null;
    const chip = h("span", {});
    const time = h("time", {});
    const note = h("p", { class: "quiet" }, "Looking…");
    const forms = h("div", { class: "asked" });
    const node = h("article", { class: "card", "data-task": id },
      h("header", { class: "card-head" }, h("b", {}, agent), chip, time),
      h("p", { class: "card-input" }, heading(inputText(input), 160)),
      note,
      forms,
      h("a", { class: "more-link", href: address("task", id) }, "Open the timeline", icon("chevron")));

    const read = renewing(async () => {
      try {
        const steps = await allSteps(TASK_STEPS, id);
        const open = steps.filter((step) => step.status === "WAITING" || step.status === "OUTCOME_UNKNOWN");
        each(forms, open, (step) => `${step.seq} ${step.status}`, (step) => ({ node: decision(id, step, resolved) }));
        note.hidden = true;
      } catch (error) {
        seenAt = null;
        note.hidden = false;
        note.className = "problem";
        setText(note, error.message);
      }
    });

    function resolved() {
      read();
      refresh();
    }

    function update(task) {
      setChip(chip, task.status);
      setText(time, when(task.updatedAt));
      time.title = moment(task.updatedAt);
      if (seenAt === task.updatedAt) return;
      seenAt = task.updatedAt;
      read();
    }

    return { node, update };
  }

  link.watch(({ state }) => state === "open" && refresh());
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, LOOK_EVERY_MS);
  return { node, waiting, refresh, show: refresh };
}
