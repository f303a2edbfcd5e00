// Short words to the reader: on the screen for a while, and to screen readers.

import { byId, h } from "../dom.js";
import { icon } from "../icons.js";

const SHOWN_MS = 8_000;
const MOST = 4;

export function toast(text, { kind = "good", code = null } = {}) {
  const area = byId("toasts");
  const node = h("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status" },
    h("span", {}, text, code && code !== "LOST" ? [" ", h("code", {}, code)] : null),
    h("button", { class: "icon-button small", type: "button", "aria-label": "Dismiss", onclick: () => node.remove() }, icon("cross")));
  area.append(node);
  while (area.children.length > MOST) area.firstChild.remove();
  setTimeout(() => node.remove(), SHOWN_MS);
}

export function announce(text) {
  byId("announcer").textContent = text;
}
