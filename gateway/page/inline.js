// Markdown within a line: code, strong, emphasised and struck text, links.

import { h } from "./dom.js";

/** The rules take quadratic time at worst: a longer text is shown plainly, in UTF-16 units. */
const LONGEST = 4_000;
/** Marks within each other: what lies deeper is plain text. */
const DEEPEST = 8;

const RULES = [
  [/(`+)([^`](?:.*?[^`])?)\1(?!`)/gs, (m) => h("code", {}, m[2])],
  [/\[([^\]\n]+)\]\(((?:https?:\/\/|mailto:)[^\s()<>]+(?:\([^\s()<>]*\)[^\s()<>]*)*)\)/g, (m, depth) => link(m[2], inline(m[1], depth))],
  [/\*\*(?=\S)(.+?)(?<=\S)\*\*/gs, (m, depth) => h("strong", {}, inline(m[1], depth))],
  [/(?<![\w])__(?=\S)(.+?)(?<=\S)__(?!\w)/gs, (m, depth) => h("strong", {}, inline(m[1], depth))],
  [/(?<![*\w])\*(?=[^\s*])([^*\n]*?[^\s*])\*(?![*\w])/g, (m, depth) => h("em", {}, inline(m[1], depth))],
  [/(?<![_\w])_(?=[^\s_])([^_\n]*?[^\s_])_(?![_\w])/g, (m, depth) => h("em", {}, inline(m[1], depth))],
  [/~~(?=\S)(.+?)(?<=\S)~~/gs, (m, depth) => h("del", {}, inline(m[1], depth))],
  [/\bhttps?:\/\/[^\s<>"'`)\]]*[^\s<>"'`)\].,;:!?]/g, (m) => link(m[0], [m[0]])],
];

function link(to, content) {
  return h("a", { href: to, target: "_blank", rel: "noopener noreferrer nofollow" }, content);
}

/** Nodes and strings. The rule that matches first in the text wins, the earlier rule of two at the same place. */
export function inline(text, depth = 0) {
  if (text.length > LONGEST || depth > DEEPEST) return [text];
  const parts = [];
  // A rule is asked again only when the text went past what it had found.
  const rules = RULES.map(([pattern, make]) => ({ pattern, make, match: seek(pattern, text, 0) }));
  for (let at = 0; ; ) {
    let best = null;
    for (const rule of rules) {
      if (rule.match?.index < at) rule.match = seek(rule.pattern, text, at);
      if (rule.match && (best === null || rule.match.index < best.match.index)) best = rule;
    }
    const end = best?.match.index ?? text.length;
    if (end > at) parts.push(text.slice(at, end));
    if (!best) return parts;
    parts.push(best.make(best.match, depth + 1));
    at = end + best.match[0].length;
  }
}

function seek(pattern, text, from) {
  pattern.lastIndex = from;
  return pattern.exec(text);
}
