// One task whole: what was asked, its timeline as it grows, what it handed on, how it ended, and what can be done.

import { each, fill, h, setText } from "../dom.js";
import { between, duration, inputText, moment, plural, pretty, sentence, usageDetail, usageText } from "../format.js";
import { icon } from "../icons.js";
import { isOver } from "../chat/conversation.js";
import { renderMarkdown } from "../markdown.js";
import { ask } from "../net/ask.js";
import { CANCEL, ON_TASK, RETRY, SESSION_THERE, TASK_HEAD, TASK_STEPS } from "../net/documents.js";
import { insist } from "../net/insist.js";
import { renewing } from "../net/renewing.js";
import { subscribe } from "../net/socket.js";
import { address, go } from "../router.js";
import { toast } from "../shell/notice.js";
import { decision } from "./decision.js";
import { allSteps, setChip, statusChip } from "./steps.js";
import { timeline } from "./timeline.js";

export function taskView() {
  let task = null;
  let steps = new Map();
  let attempt = 1;
  let cursor = null;
  let leave = () => {};
  let tick = 0;
  let opening = 0;
  let renew = async () => {};
  /** Whether it is a turn of a conversation; else its journal is its own. */
  let isTalk = false;

  const title = h("h1", { class: "view-title", tabindex: -1 }, "Task");
  const chip = h("span", {});
  const facts = h("p", { class: "facts" });
  const asked = h("pre", { class: "quoted", tabindex: 0, role: "region", "aria-label": "What was asked" });
  const decisions = h("div", { class: "asked" });
  const chart = timeline();
  const children = h("ul", { class: "rows" });
  const childrenPart = h("section", { hidden: true }, h("h2", { class: "eyebrow" }, "Handed to others"), children);
  const answer = h("div", {});
  const stop = h("button", { class: "button", onclick: () => change(CANCEL, stop) }, icon("stop"), "Cancel");
  const again = h("button", { class: "button", onclick: () => change(RETRY, again) }, icon("retry"), "Try again");
  const session = h("a", { class: "button" }, "Its conversation");
  const missing = h("div", { class: "empty", hidden: true }, h("h2", {}, "This task isn't there."), h("p", {}, "It was swept away after its end, or its address is wrong."), h("a", { class: "button primary", href: "#/tasks" }, "All tasks"));
  const body = h("div", { class: "task" },
    h("div", { class: "task-head" }, chip, facts),
    h("div", { class: "task-actions" }, stop, again, session),
    decisions,
    h("section", {}, h("h2", { class: "eyebrow" }, "Timeline"), chart.node),
    childrenPart,
    h("section", {}, h("h2", { class: "eyebrow" }, "Asked"), asked),
    answer);
  const node = h("section", { class: "view", "aria-label": "Task" },
    h("header", { class: "view-head" }, h("a", { class: "icon-button back", href: "#/tasks", "aria-label": "All tasks" }, icon("chevron")), title),
    h("div", { class: "scroll", tabindex: -1 }, h("div", { class: "paper" }, body, missing)));

  async function open(id) {
    hide();
    const mine = (opening += 1);
    task = null;
    steps = new Map();
    attempt = 1;
    isTalk = false;
    renew = renewing(() => refresh(id, mine).catch(() => null));
    body.hidden = true;
    missing.hidden = true;
    setText(title, "Task");
    const found = await refresh(id, mine).catch((error) => error);
    if (mine !== opening) return;
    if (!task) {
      setText(missing.firstElementChild, found?.message ?? "This task isn't there.");
      missing.hidden = false;
      return;
    }
    cursor = task.cursor;
    if (!isOver(task.status)) follow(id, mine);
    clearInterval(tick);
    tick = setInterval(() => task && !isOver(task.status) && draw(), 500);
    const there = await insist(() => ask(SESSION_THERE, { id: task.sessionId })).catch(() => null);
    if (mine !== opening) return;
    isTalk = Boolean(there?.getSession);
    draw();
  }

  async function refresh(id, mine) {
    const { getTask: found } = await insist(() => ask(TASK_HEAD, { id }));
    if (mine !== opening || !found) return null;
    const read = await insist(() => allSteps(TASK_STEPS, id));
    if (mine !== opening) return null;
    // An end is final: an answer from before it, that comes after it, is read anew.
    if (task && isOver(task.status) && !isOver(found.status)) return null;
    task = found;
    for (const step of read) steps.set(step.seq, step);
    attempt = Math.max(attempt, ...read.map((step) => step.attempt), found.response?.attempts ?? 1);
    draw();
    return found;
  }

  function follow(id, mine) {
    leave = subscribe(ON_TASK, () => ({ id, after: cursor }), ({ onTask: event }) => {
      if (mine !== opening) return;
      cursor = event.cursor;
      if (event.kind === "DELTA" || event.kind === "MESSAGE") return;
      if (event.attempt) attempt = Math.max(attempt, event.attempt);
      if (event.step) steps.set(event.step.seq, event.step);
      if (event.task) Object.assign(task, event.task);
      draw();
      renew();
    });
  }

  function draw() {
    body.hidden = false;
    const over = isOver(task.status);
    setText(title, `Task of ${task.agent}`);
    setChip(chip, task.status);
    const usage = task.response?.usage;
    const took = duration(task.response?.latencyMs ?? between(task.createdAt, over ? task.updatedAt : null));
    setText(facts, [took, attempt > 1 ? plural(attempt, "attempt") : "", usageText(usage), task.response?.model ? `${task.response.model} by ${task.response.provider}` : ""].filter(Boolean).join(" · "));
    facts.title = `${moment(task.createdAt)}${usage ? `, ${usageDetail(usage)}` : ""}`;
    stop.hidden = over;
    again.hidden = !over;
    session.href = address("chat", task.sessionId);
    session.hidden = !isTalk;
    setText(asked, inputText(task.input));
    const list = [...steps.values()].sort((a, b) => a.seq - b.seq);
    const open = list.filter((step) => step.status === "WAITING" || step.status === "OUTCOME_UNKNOWN");
    each(decisions, over ? [] : open, (step) => `${step.seq} ${step.status}`, (step) => ({ node: decision(task.id, step, () => renew()) }));
    chart.draw(task, list, attempt);
    childrenPart.hidden = task.children.nodes.length === 0;
    each(children, task.children.nodes, (child) => child.id, childRow);
    fill(answer, `${task.status} ${task.error?.message} ${task.response?.content}`, answerView);
  }

  function answerView() {
    const { response, error } = task;
    const parts = [];
    if (error) parts.push(h("section", {}, h("h2", { class: "eyebrow" }, "Failed"), h("div", { class: "trouble" }, h("p", { class: "why" }, sentence(error.message)), h("p", {}, h("code", {}, error.code), error.retryable ? "It may succeed later." : ""))));
    if (response?.content) parts.push(h("section", {}, h("h2", { class: "eyebrow" }, "Answered"), answered(response.content)));
    if (response?.data) parts.push(h("section", {}, h("h2", { class: "eyebrow" }, "Data"), h("pre", { class: "quoted", tabindex: 0, role: "region", "aria-label": "The answer's data" }, pretty(response.data))));
    return parts;
  }

  async function change(document, button) {
    button.disabled = true;
    try {
      // Cancelling twice changes nothing; a second try would be another task.
      const changed = await (document === CANCEL ? insist(() => ask(document, { id: task.id })) : ask(document, { id: task.id }));
      if (changed.retryTask) go("task", changed.retryTask.id);
      else await renew();
    } catch (error) {
      toast(error.message, { kind: "bad", code: error.code });
    }
    button.disabled = false;
  }

  function hide() {
    leave();
    leave = () => {};
    clearInterval(tick);
    opening += 1;
  }

  return { node, open, hide };
}

function answered(content) {
  const prose = h("div", { class: "quoted prose", tabindex: 0, role: "region", "aria-label": "The answer" });
  renderMarkdown(prose, content);
  return prose;
}

function childRow(child) {
  const place = h("span", {}, statusChip(child.status));
  const node = h("li", {}, h("a", { class: "row", href: address("task", child.id) }, h("b", {}, child.agent), h("span", { class: "row-text" }), place, h("span", { class: "row-took" }, duration(between(child.createdAt, child.updatedAt)))));
  return { node, update: (now) => setChip(place, now.status) };
}
