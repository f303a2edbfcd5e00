// What waits for a person: an approval to give or refuse, or an effect of which nobody knows whether it happened.

import { h } from "../dom.js";
import { pretty } from "../format.js";
import { icon } from "../icons.js";
import { ask } from "../net/ask.js";
import { RESOLVE } from "../net/documents.js";
import { insist } from "../net/insist.js";
import { announce } from "../shell/notice.js";

let count = 0;

/** A form that answers. `resolved()` is told when the server has taken the answer. */
export function decision(taskId, step, resolved) {
  const unknown = step.status === "OUTCOME_UNKNOWN";
  const id = `decision-${(count += 1)}`;
  const note = h("input", { id: `${id}-note`, maxlength: 2_000, placeholder: unknown ? "What you found out" : "Optional, for the record" });
  const value = h("textarea", { id: `${id}-value`, rows: 3, spellcheck: "false", placeholder: unknown ? '{"receipt": 17}' : '{"limit": 100}' });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const yes = h("button", { class: "button primary", type: "button", onclick: () => answer(unknown ? "SETTLE_DONE" : "APPROVE") }, icon("check"), unknown ? "It happened" : "Approve");
  const no = h("button", { class: "button", type: "button", onclick: () => answer(unknown ? "SETTLE_NOT_DONE" : "REJECT") }, icon(unknown ? "retry" : "cross"), unknown ? "It didn't: run it again" : "Reject");
  const busy = h("p", { class: "quiet", role: "status", hidden: true });

  async function answer(action) {
    const takesValue = action === "APPROVE" || action === "SETTLE_DONE";
    const input = { taskId, stepSeq: step.seq, action, note: note.value.trim() || null };
    if (takesValue && value.value.trim()) {
      try {
        input.value = JSON.parse(value.value);
      } catch {
        return complain("The value isn't JSON. A text goes between double quotes.", value);
      }
    }
    problem.hidden = true;
    yes.disabled = no.disabled = true;
    try {
      // The same answer again changes nothing.
      await insist(() => ask(RESOLVE, { input }), () => {
        busy.hidden = false;
        busy.textContent = "No answer yet. It is sent again until there is one.";
      });
      announce("Your answer was taken.");
      resolved();
    } catch (error) {
      yes.disabled = no.disabled = false;
      complain(error.message, null);
    }
    busy.hidden = true;
  }

  function complain(text, field) {
    problem.textContent = text;
    problem.hidden = false;
    field?.focus();
  }

  return h("form", { class: "decision", "aria-labelledby": `${id}-title`, "data-step": step.seq, onsubmit: (event) => event.preventDefault() },
    h("h3", { id: `${id}-title` }, icon(unknown ? "effect" : "approval"), unknown ? `Did “${step.name ?? "the effect"}” happen?` : "Your approval is asked"),
    unknown
      ? h("p", {}, "It was under way when its process or agent was lost, and must not happen twice. Look at the other system, then say what you found.")
      : promptView(step.prompt),
    h("label", { for: `${id}-note` }, "Note"), note,
    h("details", { class: "value" }, h("summary", {}, icon("chevron"), unknown ? "Its result, as JSON" : "Hand over a value, as JSON"), h("label", { class: "visually-hidden", for: `${id}-value` }, "Value, as JSON"), value),
    problem, busy,
    h("div", { class: "decision-row" }, yes, no));
}

function promptView(prompt) {
  if (typeof prompt === "string") return h("p", { class: "prompt" }, prompt);
  return h("pre", { class: "prompt", tabindex: 0, role: "region", "aria-label": "What is asked" }, pretty(prompt ?? "No question was given."));
}
