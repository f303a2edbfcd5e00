// Steps against time: a bar each, from when it began to when it ended.

import { each, h, setText } from "../dom.js";
import { isOver } from "../chat/conversation.js";
import { between, clockTime, duration, usageText } from "../format.js";
import { kindIcon, kindName, setChip } from "./steps.js";

const LEAST_PERCENT = 0.6;

export function timeline() {
  const rows = h("ol", { class: "timeline" });
  const scale = h("div", { class: "timeline-scale", "aria-hidden": "true" }, h("span", {}, "0"), h("span", {}), h("span", {}));
  const none = h("p", { class: "quiet" }, "No steps yet.");
  const node = h("div", {}, rows, scale, none);

  function draw(task, steps, attempt) {
    none.hidden = steps.length > 0;
    scale.hidden = steps.length === 0;
    const from = Date.parse(task.createdAt);
    const now = Date.now();
    const ends = steps.map((step) => (step.finishedAt ? Date.parse(step.finishedAt) : isOver(task.status) ? Date.parse(step.startedAt) : now));
    const whole = Math.max(1, ...ends.map((end) => end - from), isOver(task.status) ? Date.parse(task.updatedAt) - from : 0);
    setText(scale.children[1], duration(whole / 2));
    setText(scale.children[2], duration(whole));
    const hasAttempts = attempt > 1;
    each(rows, steps, (step) => step.seq, (step) => rowView(step)).forEach((view) => view.place(from, whole, now, isOver(task.status), hasAttempts));
  }

  return { node, draw };
}

function rowView(first) {
  let step = first;
  const chip = h("span", {});
  const bar = h("i", {});
  const took = h("span", { class: "timeline-took" });
  const more = h("p", { class: "timeline-more" });
  const label = h("span", { class: "timeline-name" }, kindIcon(step.kind), h("span", {}, step.name ?? kindName(step.kind)), h("small", {}));
  const node = h("li", { "data-kind": step.kind }, label, h("span", { class: "timeline-bar" }, bar), took, chip, more);

  function place(from, whole, now, over, hasAttempts) {
    const begun = Date.parse(step.startedAt) - from;
    const length = between(step.startedAt, step.finishedAt ?? (over ? step.startedAt : null), now);
    const left = Math.min(100 - LEAST_PERCENT, Math.max(0, (begun / whole) * 100));
    bar.style.setProperty("left", `${left}%`);
    bar.style.setProperty("width", `${Math.min(100 - left, Math.max(LEAST_PERCENT, (length / whole) * 100))}%`);
    node.dataset.status = step.status;
    setChip(chip, step.status);
    setText(took, duration(length));
    took.title = `began ${clockTime(step.startedAt)}${step.finishedAt ? `, ended ${clockTime(step.finishedAt)}` : ""}`;
    setText(label.lastElementChild, hasAttempts ? `attempt ${step.attempt}` : step.name ? kindName(step.kind) : "");
    setText(more, [usageText(step.usage), step.error ? `${step.error.message} (${step.error.code})` : ""].filter(Boolean).join(" · "));
    more.hidden = more.textContent === "";
  }

  return { node, place, update: (next) => { step = next; } };
}
