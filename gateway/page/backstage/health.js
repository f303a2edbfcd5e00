// Health and breaker: a dot for the eye, words for everybody.

import { h, setText } from "../dom.js";

const WORDS = { HEALTHY: "well", DEGRADED: "works in part", UNHEALTHY: "doesn't work", DRAINING: "is leaving" };
const BREAKERS = { CLOSED: "", OPEN: ", its breaker is open: calls are refused for now", HALF_OPEN: ", its breaker is half open: one call tries" };

export function healthDot() {
  return h("span", { class: "health" }, h("i", { class: "dot", "aria-hidden": "true" }), h("span", { class: "visually-hidden" }));
}

/** Says in the open that calls are refused; nothing while all is well. */
export function breakerChip() {
  return h("span", { class: "chip", hidden: true });
}

export function setBreaker(chip, breaker) {
  chip.hidden = breaker === "CLOSED";
  chip.dataset.status = breaker === "OPEN" ? "FAILED" : "WAITING";
  setText(chip, `breaker ${breaker.toLowerCase().replace("_", " ")}`);
}

export function setHealth(dot, health, breaker) {
  dot.dataset.health = breaker === "OPEN" ? "UNHEALTHY" : breaker === "HALF_OPEN" ? "DEGRADED" : health;
  const words = `${WORDS[health] ?? health}${BREAKERS[breaker] ?? ""}`;
  setText(dot.lastElementChild, words);
  dot.title = words;
}
