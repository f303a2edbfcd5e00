// Markdown within a line: code, strong, emphasised and struck text, links.

import { h } from "./dom.js";

const RULES = [
  [/(`+)([^`](?:.*?[^`])?)\1(?!`)/s, (m) => h("code", {}, m[2])],
  [/\[([^\]\n]+)\]\(((?:https?:\/\/|mailto:)[^\s()<>]+(?:\([^\s()<>]*\)[^\s()<>]*)*)\)/, (m) => link(m[2], inline(m[1]))],
  [/\*\*(?=\S)(.+?)(?<=\S)\*\*/s, (m) => h("strong", {}, inline(m[1]))],
  [/(?<![\w])__(?=\S)(.+?)(?<=\S)__(?!\w)/s, (m) => h("strong", {}, inline(m[1]))],
  [/(?<![*\w])\*(?=[^\s*])([^*\n]*?[^\s*])\*(?![*\w])/, (m) => h("em", {}, inline(m[1]))],
  [/(?<![_\w])_(?=[^\s_])([^_\n]*?[^\s_])_(?![_\w])/, (m) => h("em", {}, inline(m[1]))],
  [/~~(?=\S)(.+?)(?<=\S)~~/s, (m) => h("del", {}, inline(m[1]))],
  [/\bhttps?:\/\/[^\s<>"'`)\]]*[^\s<>"'`)\].,;:!?]/, (m) => link(m[0], [m[0]])],
];

function link(to, content) {
  return h("a", { href: to, target: "_blank", rel: "noopener noreferrer nofollow" }, content);
}

/** Nodes and strings. The rule that matches first in the text wins, the earlier rule of two at the same place. */
export function inline(text) {
  const parts = [];
  let rest = text;
  while (rest) {
    let best = null;
    for (const [pattern, make] of RULES) {
      const match = pattern.exec(rest);
      if (match && (best === null || match.index < best.match.index)) best = { match, make };
    }
    if (!best) break;
    const { match, make } = best;
    if (match.index > 0) parts.push(rest.slice(0, match.index));
    parts.push(make(match));
    rest = rest.slice(match.index + match[0].length);
  }
  if (rest) parts.push(rest);
  return parts;
}
