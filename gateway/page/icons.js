// The few icons, drawn with strokes in the colour of the text beside them.

import { svg } from "./dom.js";

const PATHS = {
  menu: "M3 6h14M3 10h14M3 14h9",
  plus: "M10 4v12M4 10h12",
  send: "M10 16V4M5 9l5-5 5 5",
  stop: "M6.5 6.5h7v7h-7z",
  retry: "M15.5 8.5A6 6 0 1 0 16 11M16 4.5v4h-4",
  copy: "M7.5 7.5h8v8h-8zM12.5 7.5v-3h-8v8h3",
  check: "M4.5 10.5l3.5 3.5 7.5-8",
  cross: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  pencil: "M4 16l.8-3.2L13 4.6l2.4 2.4-8.2 8.2zM11.5 6.1l2.4 2.4",
  bin: "M4 6h12M8 6V4h4v2M5.5 6l.8 10h7.4l.8-10M8.5 9v4.5M11.5 9v4.5",
  chevron: "M7.5 5l5 5-5 5",
  down: "M10 4v12M5 11l5 5 5-5",
  model: "M10 3l1.7 5.3L17 10l-5.3 1.7L10 17l-1.7-5.3L3 10l5.3-1.7z",
  tool: "M12.5 3.5a4 4 0 0 0-3.8 5.3L3.5 14l2.5 2.5 5.200-5.200a4 4 0 0 0 5.100-5.100L14 8.500l-2.500-2.500z",
  agent: "M10 9.500a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 17c.5-3.500 2.800-5 6-5s5.500 1.500 6 5",
  effect: "M11 3L5 11.500h4.500L9 17l6-8.500h-4.500z",
  timer: "M10 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13zM10 7v3.500l2.500 1.500",
  approval: "M10 3l6 2.500v4.500c0 3.500-2.500 5.800-6 7-3.500-1.200-6-3.500-6-7V5.500zM7.300 10l2 2 3.500-4",
  tasks: "M4 6h1M8 6h8M4 10h1M8 10h8M4 14h1M8 14h8",
  stage: "M3 4h14M4.500 4c0 6-.5 9.500-1.500 12M15.500 4c0 6 .5 9.500 1.500 12M4 10c2.500-.5 4-2.500 4.500-6M16 10c-2.500-.5-4-2.500-4.500-6",
  hand: "M6 10V5.500a1.200 1.200 0 0 1 2.400 0V9M8.400 9V4.200a1.200 1.200 0 0 1 2.400 0V9M10.800 9V5a1.200 1.200 0 0 1 2.400 0v5M13.200 10V7.500a1.200 1.200 0 0 1 2.300 0v4c0 3.500-2 5.500-5 5.500-2.600 0-3.800-1.200-5-3.500L4 10.800c.8-.9 1.600-.7 2.200.2",
};

/** An icon. It is decoration: whatever holds it has a name of its own. */
export function icon(name) {
  const path = svg("path", { d: PATHS[name] });
  return svg("svg", { class: `icon icon-${name}`, viewBox: "0 0 20 20", "aria-hidden": "true" }, path);
}
