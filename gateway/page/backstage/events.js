// What happened in the supervision tree since this page came, latest first.

import { h } from "../dom.js";
import { clockTime } from "../format.js";
import { actorName } from "./name.js";

const MOST = 40;
const WORDS = { STARTED: "started", RESTARTED: "runs again", STOPPED: "stopped", FAILED: "failed", ESCALATED: "was given up" };

export function events() {
  const list = h("ol", { class: "events" });
  const node = h("details", { class: "thing-more events-part", hidden: true }, h("summary", {}, "What happened"), list);
  return {
    node,
    add({ path, what, cause, at }) {
      node.hidden = false;
      list.prepend(h("li", { "data-what": what }, h("time", {}, clockTime(at)), h("span", {}, h("b", {}, actorName(path)), ` ${WORDS[what] ?? what}`, cause ? h("small", {}, cause) : null)));
      while (list.children.length > MOST) list.lastChild.remove();
    },
  };
}
