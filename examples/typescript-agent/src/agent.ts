// Three agents: what one writes. Everything else here is `host.ts` and what stands behind it.

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import type { Agent, Context, Message, Tool } from "./context.js";
import { main } from "./host.js";
import { AgentError, IDEMPOTENT, NON_IDEMPOTENT, READ_ONLY } from "./protocol.js";

// The world outside: a shop that remembers what was done to it, over every crash of ours.
const SHOP = process.env["SHOP_FILE"] ?? "shop.jsonl";

function note(what: string, item: string, more: object = {}): void {
  appendFileSync(SHOP, `${JSON.stringify({ what, item, ...more })}\n`);
}

function noted(): { what: string; key?: string }[] {
  const lines = existsSync(SHOP) ? readFileSync(SHOP, "utf8").split("\n") : [];
  return lines.filter(Boolean).map((line) => JSON.parse(line));
}

/** The item's name. A model may ask for anything: what is wrong is answered, not broken down over. */
function named(args: any): string {
  if (typeof args?.item === "string") return args.item;
  throw AgentError.badInput('the arguments must be {"item": "…"}');
}

const ITEM = { type: "object", properties: { item: { type: "string" } }, required: ["item"] };

const stock: Tool = {
  name: "stock",
  description: "How many there are of an item",
  effect: READ_ONLY,
  parameters: ITEM,
  async work(args) {
    const item = named(args);
    note("looked", item);
    return { item, count: 3 };
  },
};

const reserve: Tool = {
  name: "reserve",
  description: "Reserves an item",
  effect: IDEMPOTENT,
  parameters: ITEM,
  async work(args, call) {
    const item = named(args);
    note("asked for", item, { key: call.key });
    // The shop knows the key: asked twice, it reserves once.
    const known = noted().some((line) => line.what === "reserved" && line.key === call.key);
    if (!known) note("reserved", item, { key: call.key });
    await wait(args.ms ?? 0);
    return { reserved: item };
  },
};

const talker: Agent = {
  name: "talker-ts",
  description: "Chats, and knows what the shop has",
  skills: ["chat"],
  tools: [stock],
  async run(ctx) {
    const messages: Message[] = [...ctx.history, { role: "user", content: ctx.text() }];
    for (let round = 0; round < 8; round += 1) {
      const answer = await ctx.model(messages, { tools: ctx.tools(), visible: true });
      const wanted = answer.tool_calls ?? [];
      if (wanted.length === 0) return answer.content;
      messages.push({ role: "assistant", content: answer.content, tool_calls: wanted });
      for (const call of wanted) {
        const content = await use(ctx, call);
        messages.push({ role: "tool", content, tool_call_id: call.id });
      }
    }
    throw new AgentError("the model asked for tools eight times and answered never");
  },
};

async function use(ctx: Context, call: { name: string; arguments: string }): Promise<string> {
  try {
    return JSON.stringify(await ctx.tool(call.name, JSON.parse(call.arguments)));
  } catch (error) {
    if (error instanceof AgentError || error instanceof SyntaxError) return `failed: ${error.message}`; // for the model
    throw error;
  }
}

const buyer: Agent = {
  name: "buyer-ts",
  description: "Buys things, with permission",
  inputSchema: {
    type: "object",
    properties: { item: { type: "string" }, cents: { type: "integer" } },
    required: ["item", "cents"],
  },
  tools: [stock, reserve],
  async run(ctx) {
    const order = ctx.input;
    if (typeof order?.item !== "string") throw AgentError.badInput('an order is {"item": "…", "cents": 100}');
    const item: string = order.item;

    // Two branches at once: a scope each, so that their steps keep their names whoever is first.
    const [shop, adviser] = [ctx.scope(), ctx.scope()];
    const [stocked, advice] = await Promise.all([look(shop, item), advise(adviser, item)]);
    if (stocked.count === 0) return "There is none left.";

    await ctx.emit(`Asking whether ${item} may be bought. `);
    const question = { buy: item, cents: order.cents ?? 0, advice };
    const approval = await ctx.approval(question, 3_600_000);
    if (!approval.approved) return "Not bought.";

    await ctx.tool("reserve", { item, ms: order.reserve_ms ?? 0 });
    await ctx.sleep(order.packing_ms ?? 100);

    // Fired at most once. If nobody knows whether it happened, the task stops and asks.
    const paid = await ctx.effect("pay", NON_IDEMPOTENT, async () => {
      note("paid", item);
      await wait(order.bank_ms ?? 0);
      return { receipt: `receipt for ${item}` };
    });
    const thanks = await ctx.agent("echo", { content: `Thank you for ${item}!` });
    return { content: `${paid.receipt}. ${thanks.content}`, data: paid };
  },
};

function look(ctx: Context, item: string): Promise<{ count: number }> {
  return ctx.tool("stock", { item });
}

async function advise(ctx: Context, item: string): Promise<string> {
  const question = { role: "user", content: `What is ${item} good for?` };
  return (await ctx.model([question], { max_tokens: 32 })).content;
}

const stuntman: Agent = {
  name: "stuntman-ts",
  description: "Fails in every way, on request: fail, quit, raise, fall, hang, block, dice, crowd",
  tools: [stock],
  async run(ctx) {
    const [stunt = "", item = ""] = ctx.text().split(" ", 2);
    switch (stunt) {
      case "fail": // an answer: the task fails
        throw AgentError.badInput("as told");
      case "quit": // as if a step had been cancelled
        throw new AgentError("as told", "CANCELLED");
      case "raise": // a breakdown: the attempt is lost
        throw new Error("as told");
      case "fall": // a breakdown in the middle of an effect: did it happen?
        return ctx.effect("fall", NON_IDEMPOTENT, async () => {
          throw new Error("in the middle");
        });
      case "hang":
        note("hangs", item);
        // A cancellation arrives at whatever takes the signal; this one waits an hour at most.
        await wait(3_600_000, undefined, { signal: ctx.signal }).finally(() => note("stopped", item));
        break;
      case "block": // silent, therefore taken for hung
        if (ctx.attempt === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 14_000);
        break;
      case "dice": {
        const rolled = [ctx.random(), ctx.scope().random(), await ctx.nowMs()];
        note("rolled", item, { rolled });
        if (ctx.attempt === 1) throw new Error("and once again");
        break;
      }
      case "crowd": {
        // More at once than there is credit for.
        const crowd = Array.from({ length: 200 }, (_, n) => ctx.tool("stock", { item: `${item}${n}` }));
        return String((await Promise.all(crowd)).length);
      }
    }
    return `${stunt} after ${ctx.attempt}`;
  },
};

await main([talker, buyer, stuntman]);
