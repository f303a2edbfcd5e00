// One turn as it is shown: what was said, the answer as it comes, what it took, and what can be done about it.

import { each, fill, h, setText } from "../dom.js";
import { duration, moment, plural, sentence, usageDetail, usageText } from "../format.js";
import { icon } from "../icons.js";
import { renderMarkdown } from "../markdown.js";
import { address } from "../router.js";
import { decision } from "../work/decision.js";
import { stepRow } from "../work/steps.js";
import { isOver } from "./conversation.js";

const SAYS = {
  ACCEPTED: "waits for its turn",
  RUNNING: "is answering",
  WAITING: "needs your word",
  OUTCOME_UNKNOWN: "needs your word",
  FAILED: "could not answer",
  CANCELLED: "was stopped",
};

const DOES = {
  MODEL: () => "asks the model",
  TOOL: (name) => `uses ${name}`,
  AGENT: (name) => `asks ${name}`,
  EFFECT: (name) => `does “${name}”`,
  TIMER: () => "waits a while",
};

const REMEDIES = {
  BAD_USER_INPUT: "Say it differently: the same again fails the same way.",
  UNAVAILABLE: "Something it needs isn't there yet. When it is, try again.",
  RESOURCE_EXHAUSTED: "There is no room right now. Try again in a moment.",
  PROVIDER_FAILED: "The model's provider failed. Trying again often helps; “Models” says how it is.",
  AGENT_FAILED: "The agent failed. Trying again begins the turn afresh.",
  DEADLINE_EXCEEDED: "It took too long. Trying again gives it fresh time.",
};

/** `actions`: `retry(turn)`, `steps(turn)` to load them, `resolved(turn)`, `copy(text)`. */
export function turnView(turn, actions) {
  const bubble = h("div", { class: "bubble" });
  const sentState = h("p", { class: "sent-state", role: "status", hidden: true });
  const said = h("div", { class: "said", hidden: true }, bubble, sentState);

  const avatar = h("span", { class: "avatar", "aria-hidden": "true" });
  const name = h("b", {});
  const state = h("span", { class: "state" });
  const replies = h("div", { class: "replies" });
  const live = h("div", { class: "prose live", hidden: true });
  const thinking = h("div", { class: "thinking", hidden: true, "aria-hidden": "true" }, h("i"), h("i"), h("i"));
  const trouble = h("div", { class: "trouble", hidden: true });
  const asked = h("div", { class: "asked" });
  const summary = h("span", {});
  const steps = h("ol", { class: "steps" });
  const stepsNote = h("p", { class: "quiet", hidden: true });
  const timeline = h("a", { class: "more-link" }, "Open the timeline", icon("chevron"));
  const details = h("details", { class: "took", ontoggle: () => details.open && actions.steps(turn) },
    h("summary", {}, icon("chevron"), summary), steps, stepsNote, timeline);
  const copy = h("button", { class: "icon-button small", "aria-label": "Copy the answer", title: "Copy", onclick: () => actions.copy(answerText()) }, icon("copy"));
  const retry = h("button", { class: "icon-button small", "aria-label": "Try this turn again", title: "Try again", onclick: () => actions.retry(turn, retry) }, icon("retry"));
  const foot = h("div", { class: "turn-foot" }, details, h("span", { class: "turn-actions" }, copy, retry));
  const reply = h("div", { class: "reply" }, h("div", { class: "who" }, avatar, name, state), replies, live, thinking, trouble, asked, foot);
  const node = h("article", { class: "turn" }, said, reply);

  let drawn = -1;
  const answerText = () => turn.replies.map((message) => message.content).join("\n\n") || turn.text;

  function update() {
    if (drawn === turn.changes) return;
    drawn = turn.changes;
    node.dataset.task = turn.id;
    node.dataset.status = turn.pending ? "SENDING" : turn.status;
    node.setAttribute("aria-label", `Turn: ${(turn.said?.content ?? "").slice(0, 80)}`);
    showSaid();
    const agent = turn.agent ?? "agent";
    setText(avatar, agent.slice(0, 1).toUpperCase());
    setText(name, agent);
    reply.hidden = Boolean(turn.pending);
    setText(state, stateText());
    each(replies, turn.replies, (message) => message.id, replyView);
    const isLive = turn.text !== "" && turn.replies.length === 0;
    live.hidden = !isLive;
    if (isLive) renderMarkdown(live, turn.text);
    const isBusy = turn.status === "RUNNING" || turn.status === "ACCEPTED";
    live.classList.toggle("writing", isBusy);
    thinking.hidden = !isBusy || isLive;
    showTrouble();
    showAsked();
    showFoot();
  }

  function stateText() {
    if (turn.status === "COMPLETED") return "";
    if (turn.status !== "RUNNING") return SAYS[turn.status];
    const step = [...turn.steps.values()].filter((each) => each.status === "STARTED").at(-1);
    const says = step && turn.text === "" ? DOES[step.kind]?.(step.name) : null;
    return `${says ?? SAYS.RUNNING}${turn.attempt > 1 ? `, attempt ${turn.attempt}` : ""}`;
  }

  function showSaid() {
    said.hidden = !turn.said;
    if (!turn.said) return;
    setText(bubble, turn.said.content);
    if (turn.said.id) bubble.dataset.message = turn.said.id;
    bubble.dataset.role = turn.said.role;
    bubble.title = moment(turn.said.createdAt);
    sentState.hidden = !turn.pending;
    if (turn.pending) setText(sentState, turn.pending.waits ? "Not sent yet. It is kept, and goes out once, as soon as the server is back." : "Sending…");
  }

  function showTrouble() {
    const { error, status } = turn;
    const isKept = status !== "CANCELLED" || turn.text === "";
    trouble.hidden = !error && isKept;
    fill(trouble, `${error?.code} ${error?.message} ${status} ${isKept}`, () => {
      if (!error) return h("p", {}, "Stopped. What was written so far is shown here only; it is not part of the conversation.");
      const again = h("button", { class: "button", onclick: () => actions.retry(turn, again) }, icon("retry"), "Try again");
      return [h("p", { class: "why" }, sentence(error.message)), h("p", {}, REMEDIES[error.code] ?? "", h("code", {}, error.code)), status === "FAILED" && again];
    });
    trouble.classList.toggle("calm", !error);
  }

  function showAsked() {
    const open = ["WAITING", "OUTCOME_UNKNOWN"].includes(turn.status) ? [...turn.steps.values()].filter((step) => ["WAITING", "OUTCOME_UNKNOWN"].includes(step.status)) : [];
    each(asked, open, (step) => `${step.seq} ${step.status}`, (step) => ({ node: decision(turn.id, step, () => actions.resolved(turn)) }));
  }

  function showFoot() {
    const over = isOver(turn.status);
    foot.hidden = turn.pending || turn.id.startsWith("message ");
    const list = [...turn.steps.values()].sort((a, b) => a.seq - b.seq);
    const usage = turn.task?.response?.usage ?? turn.replies.at(-1)?.usage;
    const parts = [
      list.length ? plural(list.length, "step") : over && turn.stepsKnown ? "No steps" : "Steps",
      over && turn.task?.response ? duration(turn.task.response.latencyMs) : "",
      usageText(usage),
      turn.task?.response?.attempts > 1 ? `${turn.task.response.attempts} attempts` : "",
    ];
    setText(summary, parts.filter(Boolean).join(" · "));
    summary.title = usage ? usageDetail(usage) : "";
    timeline.href = address("task", turn.id);
    copy.hidden = !answerText() || !over;
    retry.hidden = !over || turn.status === "FAILED";
    if (!details.open) return;
    each(steps, list, (step) => step.seq, stepRow);
    stepsNote.hidden = list.length > 0;
    setText(stepsNote, !turn.stepsKnown ? "Looking…" : over ? "It took no steps." : "None that is finished yet.");
  }

  details.addEventListener("toggle", showFoot);
  return { node, update };
}

function replyView(message) {
  const node = h("div", { class: "prose", "data-message": message.id, "data-role": message.role, title: moment(message.createdAt) });
  // A message doesn't change any more.
  renderMarkdown(node, message.content);
  return { node };
}
