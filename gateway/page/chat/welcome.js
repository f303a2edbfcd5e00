// An empty conversation: says where one is, and offers a beginning.

import { h } from "../dom.js";
import { icon } from "../icons.js";

const BEGINNINGS = [
  ["Name three colours.", "To begin"],
  ["Explain in two sentences what a supervisor does for an actor.", "How it works"],
  ["Write a haiku about a stage before the curtain rises.", "Lighter"],
];

export function welcome(say) {
  const offers = BEGINNINGS.map(([text, why]) =>
    h("li", {}, h("button", { class: "offer", type: "button", onclick: () => say(text) }, h("span", { class: "eyebrow" }, why), text)));
  const node = h("div", { class: "welcome" },
    h("h2", {}, "The stage is yours."),
    h("p", { class: "lead" }, "Say something, and an agent answers. What was said and done is on disk before you see it: a crash, here or on the server, loses none of it."),
    h("ul", { class: "offers" }, offers),
    h("p", { class: "quiet" }, icon("stage"), "Whoever works for you is shown under ", h("a", { href: "#/backstage" }, "Backstage"), "."));
  return { node };
}
