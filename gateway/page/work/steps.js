// Steps: read whole, and shown as rows.

import { fill, h, setText } from "../dom.js";
import { between, clockTime, duration, usageDetail, usageText } from "../format.js";
import { icon } from "../icons.js";
import { ask } from "../net/ask.js";

const MOST_PAGES = 50;

/** Every step of a task. */
export async function allSteps(document, id) {
  const steps = [];
  let after = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { getTask: task } = await ask(document, { id, after });
    if (!task) break;
    steps.push(...task.steps.nodes);
    if (!task.steps.pageInfo.hasNextPage) break;
    after = task.steps.pageInfo.endCursor;
  }
  return steps;
}

const KINDS = { MODEL: "model", TOOL: "tool", AGENT: "agent", EFFECT: "effect", TIMER: "timer", APPROVAL: "approval" };
const SAYS = { STARTED: "running", WAITING: "waiting", DONE: "done", FAILED: "failed", OUTCOME_UNKNOWN: "unknown" };

export const kindIcon = (kind) => icon(KINDS[kind] ?? "effect");
export const kindName = (kind) => KINDS[kind] ?? kind.toLowerCase();

/** How a status is said: a coloured word, so that colour alone says nothing. */
export function statusChip(status) {
  return h("span", { class: "chip", "data-status": status }, SAYS[status] ?? status.toLowerCase().replace("_", " "));
}

/** A step in a list: what, how it stands, how long, what it used. */
export function stepRow() {
  const node = h("li", { class: "step" });
  const update = (step) => {
    const took = step.status === "STARTED" ? "" : duration(between(step.startedAt, step.finishedAt ?? step.startedAt));
    fill(node, `${step.status} ${step.attempt} ${step.name} ${took} ${step.error?.message}`, () => [
      kindIcon(step.kind),
      h("span", { class: "step-name" }, step.name ?? kindName(step.kind), h("small", {}, step.name ? kindName(step.kind) : "")),
      statusChip(step.status),
      h("span", { class: "step-took", title: `${clockTime(step.startedAt)}, attempt ${step.attempt}` }, took),
      h("span", { class: "step-usage", title: step.usage ? usageDetail(step.usage) : null }, usageText(step.usage)),
      step.error && h("p", { class: "step-error" }, step.error.message, " ", h("code", {}, step.error.code)),
    ]);
  };
  return { node, update };
}

/** Puts a status chip in a place that is updated. */
export function setChip(place, status) {
  if (place.dataset.status !== status) place.replaceChildren(statusChip(status));
  place.dataset.status = status;
  setText(place.firstChild, SAYS[status] ?? status.toLowerCase().replace("_", " "));
}
