// What the checks of every client have in common.
//
//     node CLIENT.mjs JSON
//
// The JSON says where things are: `parts` (the installed packages), `base` (what the client talks to), `upstream` (the
// scripted upstream, to see what arrived), `through` (whether Greenroom is in between), and `targets` with `name`,
// `family`, `model` and `embed`. Every check prints one line, `{"name": …, "ok": …, "detail": …}`.

import { createRequire } from "node:module";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

export const world = JSON.parse(process.argv[2]);
export const need = createRequire(join(world.parts, "clients", "node_modules", "/"));
export const { through } = world;
export const CALLER_KEY = "caller-key";
export const USAGE = { input: 20, cached: 5, output: 9 };
export const WEATHER = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const CONTEXT = { id: "doc-1", text: "In Nifflheim the sky is green." };
/** The smallest picture there is. */
export const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const SIZE = Buffer.from(PICTURE, "base64").length;
const REPORTS = { Zürich: "sunny ☀", Oslo: "rain" };

/** A model that is asked, and one nonce a check. */
class Target {
  constructor(facts, nonce) {
    Object.assign(this, facts, { nonce });
  }

  /** The same of a provider that no other check needs: it is not well afterwards. */
  faulty(fault) {
    return through ? this.model.replace("/", `-${fault}/`) : this.model;
  }

  /** A user text that makes the upstream play a scenario. */
  text(scenario) {
    return `[[${scenario} ${this.nonce}]] What is there?`;
  }

  /** What arrived upstream, `count` requests. */
  async asked(count = 1) {
    const answer = await fetch(`${world.upstream}/asked/${this.nonce}`);
    const entries = await answer.json();
    same(entries.length, count, "requests that arrived upstream");
    return entries;
  }

  /** The one request arrived where the caller sent it, and the answer is the upstream's own. */
  async relayed(path, id, said) {
    const [entry] = await this.asked();
    same([entry.path, said.id], [path, id], "the path upstream, the answer's id");
    return entry;
  }

  /** The caller's key stays here, the upstream gets its own. */
  expectOwnKey(entry) {
    const seen = `${entry.headers.authorization} ${entry.headers["x-api-key"]}`;
    const own = this.family === "bedrock" ? "AWS4-HMAC-SHA256" : "upstream-key";
    const wanted = through ? own : CALLER_KEY;
    must(seen.includes(wanted) && !(through && seen.includes(CALLER_KEY)), `the upstream's key is ${seen}`);
  }
}

/** Runs every check: those of each target, for its own family or in its own company only where they say so, then those
 * that have none. */
export async function run({ each, own = {}, ours = {}, once = {} }) {
  for (const facts of world.targets) {
    const family = own[facts.family] ?? {};
    for (const [name, check] of Object.entries({ ...each, ...family, ...(through ? ours : {}) })) {
      await attempt(`${facts.name}: ${name}`, check, facts);
    }
  }
  for (const [name, check] of Object.entries(once)) await attempt(name, check, world.targets[0]);
}

/** Runs one check and tells what came of it. */
export async function attempt(name, check, facts) {
  const begun = performance.now();
  let detail = "";
  let ok = false;
  try {
    detail = (await check(new Target(facts, randomBytes(6).toString("hex")))) ?? "";
    ok = true;
  } catch (error) {
    const where = error?.stack?.split("\n").filter((line) => line.includes(".mjs")).at(0)?.trim();
    detail = `${error?.constructor?.name}: ${error?.message} (${where})`;
  }
  const seconds = Math.round(performance.now() - begun) / 1000;
  console.log(JSON.stringify({ name, ok, detail, seconds }));
}

export function must(condition, otherwise) {
  if (!condition) throw new Error(otherwise);
}

export function same(got, wanted, what) {
  must(isDeepStrictEqual(got, wanted), `${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(wanted)}`);
}

/** What the upstream says in the scenario `say`. */
export const reply = (target) => `Greenroom says Ω 🎭 to ${target.nonce}.`;

/** The tool. */
export function weatherOf(args) {
  return REPORTS[(typeof args === "string" ? JSON.parse(args) : args).city];
}

/** The picture came to the upstream whole. */
export async function pictureArrived(target) {
  same((await target.asked())[0].heard.images, [{ mime: "image/png", size: SIZE }], "what arrived");
}

/** What a call threw: an error of this class with one of these statuses. */
export async function throws(status, kind, call) {
  try {
    await call();
  } catch (error) {
    must(error instanceof kind, `${error?.constructor?.name} is no ${kind.name}: ${error?.message}`);
    must([status].flat().includes(error.status), `status ${error.status}: ${error.message}`);
    return error;
  }
  throw new Error("nothing was thrown");
}

/** A stream that broke: something of it came, then the client threw. */
export async function neverEndsWell(read, kind) {
  const seen = [];
  try {
    await read(seen);
  } catch (error) {
    must(error instanceof kind, `${error?.constructor?.name} is no ${kind.name}: ${error?.message}`);
    must(seen.length, `nothing came before ${error}`);
    return `${seen.length} pieces, then ${error.constructor.name}`;
  }
  throw new Error(`ended well after ${seen.length} pieces`);
}

/** Whether the upstream saw its one connection closed so soon after the caller left. */
export async function closedWithin(target, seconds, left) {
  const patience = Date.now() + 10_000;
  for (;;) {
    const { closed } = (await target.asked())[0];
    if (closed !== null) {
      must(closed - left / 1000 < seconds, `closed after ${closed - left / 1000} s`);
      return `closed after ${(closed - left / 1000).toFixed(3)} s`;
    }
    must(Date.now() < patience, "the upstream's connection stays open");
    await new Promise((later) => setTimeout(later, 20));
  }
}

/** The block stands before the user's text, and nothing of ours goes upstream. */
export async function contextArrived(target, headers) {
  const [entry] = await target.asked();
  must(entry.heard.texts.some((text) => text.includes(CONTEXT.text)), "the block did not arrive");
  must(!("greenroom" in entry.body), "our own field arrived upstream");
  same(entry.heard.user, target.text("say"), "the user's text");
  same(headers.get("x-greenroom-context"), CONTEXT.id, "x-greenroom-context");
}
