// A conversation grows at its end: whoever reads the end stays there, whoever reads above is left in peace.

import { h } from "../dom.js";
import { icon } from "../icons.js";

const NEAR = 80;

export function scroller(paper) {
  const node = h("div", { class: "scroll", tabindex: -1 }, paper);
  const jump = h("button", { class: "jump", hidden: true, type: "button", onclick: () => toEnd("smooth") }, icon("down"), "Latest");
  let sticks = true;

  const isNear = () => node.scrollHeight - node.scrollTop - node.clientHeight < NEAR;
  const isStill = matchMedia("(prefers-reduced-motion: reduce)");

  function toEnd(behavior = "instant") {
    node.scrollTo({ top: node.scrollHeight, behavior: isStill.matches ? "instant" : behavior });
    sticks = true;
    jump.hidden = true;
  }

  node.addEventListener("scroll", () => {
    sticks = isNear();
    jump.hidden = sticks;
  }, { passive: true });
  new ResizeObserver(() => sticks && toEnd()).observe(paper);
  new ResizeObserver(() => sticks && toEnd()).observe(node);

  return {
    node,
    jump,
    toEnd,
    /** Changes what is shown and stays at the end, if that is where one is. */
    around(change) {
      const stuck = sticks;
      change();
      if (stuck) toEnd();
    },
    /** Puts something above without moving what is read. */
    keep(change) {
      const below = node.scrollHeight - node.scrollTop;
      sticks = false;
      change();
      node.scrollTop = node.scrollHeight - below;
    },
  };
}
