// A small part of Markdown, as DOM nodes. What a model wrote is only ever text here: no HTML of its own gets in, and
// links go to http, https and mailto alone.

import { h } from "./dom.js";
import { inline } from "./inline.js";

// Each of these fails or matches in linear time: no two parts of one may share the same text between them.
const FENCE = /^ {0,3}(`{3,}(?!`)|~{3,}(?!~))([^`]*)$/;
const LANGUAGE = /^\s*([\w+#.-]*)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/s;
const RULE = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}>\s?/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/s;
const TABLE_RULE_CELL = /^:?-{2,}:?$/;
/** Quotes and lists within each other: what lies deeper is plain text. */
const DEEPEST = 16;

const rendered = new WeakMap();

/** Shows `text` in `container`. One that can't be drawn is shown as it was written, and takes no other along. */
export function renderMarkdown(container, text) {
  try {
    draw(container, text);
  } catch {
    rendered.delete(container);
    container.replaceChildren(h("p", {}, text));
  }
}

/** Blocks that are as before stay the same nodes, so a growing text costs little. */
function draw(container, text) {
  // What stands there unknown is from a drawing that failed.
  if (!rendered.has(container)) container.replaceChildren();
  const before = rendered.get(container) ?? [];
  const after = blocks(text.split("\n"), 0);
  let same = 0;
  while (same < before.length && same < after.length && before[same] === after[same].source) same += 1;
  while (container.childNodes.length > same) container.lastChild.remove();
  for (const block of after.slice(same)) container.append(block.make());
  rendered.set(container, after.map((block) => block.source));
}

function blocks(lines, depth) {
  if (depth >= DEEPEST) {
    const source = lines.join("\n");
    return source.trim() === "" ? [] : [{ source, make: () => h("p", {}, source) }];
  }
  const found = [];
  for (let at = 0; at < lines.length; ) {
    const [end, make] = block(lines, at, depth);
    if (make) found.push({ source: `${end === lines.length} ${lines.slice(at, end).join("\n")}`, make });
    at = end;
  }
  return found;
}

/** The block at a line: where it ends, and how it is made. */
function block(lines, at, depth) {
  const line = lines[at];
  if (line.trim() === "") return [at + 1, null];
  const fence = FENCE.exec(line);
  if (fence) return code(lines, at, fence[1], LANGUAGE.exec(fence[2])[1]);
  const heading = HEADING.exec(line);
  if (heading) return [at + 1, () => h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(headingText(heading[2])))];
  if (RULE.test(line)) return [at + 1, () => h("hr")];
  if (QUOTE.test(line)) {
    const end = until(lines, at, (other) => !QUOTE.test(other));
    const inner = lines.slice(at, end).map((other) => other.replace(QUOTE, ""));
    return [end, () => h("blockquote", {}, blocks(inner, depth + 1).map((each) => each.make()))];
  }
  if (ITEM.test(line)) return list(lines, at, depth);
  if (line.includes("|") && isTableRule(lines[at + 1] ?? "")) return table(lines, at);
  const end = until(lines, at + 1, (other) => other.trim() === "" || FENCE.test(other) || HEADING.test(other) || QUOTE.test(other) || ITEM.test(other) || RULE.test(other));
  const paragraph = lines.slice(at, end).join("\n");
  return [end, () => h("p", {}, inline(paragraph))];
}

/** Without the marks that may close it. */
function headingText(text) {
  let end = text.trimEnd().length;
  while (text[end - 1] === "#") end -= 1;
  return text.slice(0, end).trimEnd();
}

function until(lines, at, isEnd) {
  let end = at;
  while (end < lines.length && !isEnd(lines[end])) end += 1;
  return end;
}

function code(lines, at, fence, language) {
  const end = until(lines, at + 1, (line) => line.trimStart().startsWith(fence) && line.trim().replaceAll(fence[0], "") === "");
  const text = lines.slice(at + 1, end).join("\n");
  const make = () => h("pre", { tabindex: 0, role: "region", "aria-label": language ? `Code, ${language}` : "Code", "data-language": language || null }, h("code", {}, text));
  return [Math.min(lines.length, end + 1), make];
}

function list(lines, at, depth) {
  const [, indent, marker] = ITEM.exec(lines[at]);
  const isNumbered = /\d/.test(marker);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    const isNext = item && item[1].length <= indent.length + 1 && /\d/.test(item[2]) === isNumbered;
    if (isNext) {
      items.push([item[3]]);
    } else if (lines[end].trim() === "") {
      const next = lines[end + 1];
      const goesOn = next !== undefined && (/^\s{2,}\S/.test(next) || (ITEM.test(next) && /\d/.test(ITEM.exec(next)[2]) === isNumbered));
      if (!goesOn) break;
      items.at(-1).push("");
    } else if (/^\s{2,}/.test(lines[end]) || !(item || HEADING.test(lines[end]) || FENCE.test(lines[end]) || QUOTE.test(lines[end]))) {
      items.at(-1).push(lines[end].replace(/^(\t| {1,4})/, ""));
    } else {
      break;
    }
    end += 1;
  }
  const start = isNumbered ? Number.parseInt(marker, 10) : 1;
  return [end, () => h(isNumbered ? "ol" : "ul", { start: start > 1 ? start : null }, items.map((item) => h("li", {}, itemContent(item, depth))))];
}

/** An item of one paragraph is its text alone. */
function itemContent(lines, depth) {
  const inner = blocks(lines, depth + 1).map((each) => each.make());
  return inner.flatMap((node, at) => (at === 0 && node.tagName === "P" ? [...node.childNodes] : [node]));
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
const isTableRule = (line) => cells(line).every((cell) => TABLE_RULE_CELL.test(cell));

function table(lines, at) {
  const end = until(lines, at + 2, (line) => !line.includes("|"));
  const row = (tag, line) => h("tr", {}, cells(line).map((cell) => h(tag, {}, inline(cell))));
  const make = () => h("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Table" }, h("table", {},
    h("thead", {}, row("th", lines[at])),
    h("tbody", {}, lines.slice(at + 2, end).map((line) => row("td", line)))));
  return [end, make];
}
