// Numbers and times for people.

const DAY = 86_400_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const clockSeconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "";
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  if (ms < DAY) return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`;
  return `${Math.floor(ms / DAY)} d ${Math.floor((ms % DAY) / 3_600_000)} h`;
}

/** How long something took, or takes until `now`. */
export function between(from, to, now = Date.now()) {
  return Math.max(0, (to ? Date.parse(to) : now) - Date.parse(from));
}

export function count(n) {
  if (n < 1_000) return String(n);
  if (n < 1_000_000) return `${(n / 1_000).toFixed(n < 10_000 ? 1 : 0)}k`;
  return `${(n / 1_000_000).toFixed(1)}M`;
}

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export function money(usd) {
  if (usd === 0) return "$0";
  if (usd < 0.000_1) return "<$0.0001";
  return `$${usd.toFixed(usd < 0.01 ? 4 : usd < 1 ? 3 : 2)}`;
}

/** `1.2k → 340 tokens · $0.0021`; empty when nothing is known. */
export function usageText(usage) {
  if (!usage) return "";
  const input = usage.inputTokens + usage.cachedInputTokens + usage.cacheWriteTokens;
  const output = usage.outputTokens + usage.reasoningTokens;
  if (input + output === 0 && !usage.costUsd) return "";
  const about = usage.estimated ? "≈ " : "";
  const tokens = `${about}${count(input)} → ${count(output)} tokens`;
  return usage.costUsd === null ? tokens : `${tokens} · ${money(usage.costUsd)}`;
}

/** The same in words, for a tooltip. */
export function usageDetail(usage) {
  const parts = [
    [usage.inputTokens, "input"],
    [usage.cachedInputTokens, "read from a cache"],
    [usage.cacheWriteTokens, "written to a cache"],
    [usage.outputTokens, "output"],
    [usage.reasoningTokens, "reasoning"],
  ];
  const said = parts.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`);
  if (usage.estimated) said.push("an estimate: the provider gave no figures");
  said.push(usage.costUsd === null ? "no price is known" : `$${usage.costUsd}`);
  return said.join(", ");
}

export function when(iso, now = Date.now()) {
  const at = Date.parse(iso);
  const ago = now - at;
  if (ago < 60_000) return "now";
  if (ago < 3_600_000) return `${Math.floor(ago / 60_000)} min`;
  if (ago < DAY && new Date(at).getDate() === new Date(now).getDate()) return clock.format(at);
  return day.format(at);
}

export const clockTime = (iso) => clockSeconds.format(Date.parse(iso));
export const moment = (iso) => full.format(Date.parse(iso));

/** JSON for people: text as it is, everything else indented. */
export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** What a task was asked, as text: most inputs are `{ content }`. */
export function inputText(input) {
  if (input && typeof input === "object" && typeof input.content === "string") return input.content;
  return input === null || input === undefined ? "" : pretty(input);
}

/** An error's message as a sentence: they begin small and end open, to be put together. */
export function sentence(text) {
  if (!text) return "";
  const first = /^[a-z]+\b(?![._/:-])/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
  return /[.!?…)]$/.test(first) ? first : `${first}.`;
}

/** The first line, cut at a word. */
export function heading(text, most = 60) {
  const line = text.trim().split("\n", 1)[0].replace(/^[#>\s]+/, "").replace(/[*`]+/g, "").replace(/\s+/g, " ").trim();
  if (line.length <= most) return line;
  const cut = line.slice(0, most);
  const space = cut.lastIndexOf(" ");
  return `${space > most / 2 ? cut.slice(0, space) : cut}…`;
}
