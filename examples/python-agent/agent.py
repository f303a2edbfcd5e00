"""Three agents: what one writes. Everything else here is `host.py` and what stands behind it."""

import asyncio
import json
import os
import time
from pathlib import Path

from context import IDEMPOTENT, NON_IDEMPOTENT, READ_ONLY, Agent, tool
from host import main
from protocol import AgentError

# The world outside: a shop that remembers what was done to it, over every crash of ours.
SHOP = Path(os.environ.get("SHOP_FILE", "shop.jsonl"))


def note(what, item, **more):
    with SHOP.open("a") as shop:
        shop.write(json.dumps({"what": what, "item": item, **more}) + "\n")


def noted():
    return [json.loads(line) for line in SHOP.read_text().splitlines()] if SHOP.exists() else []


def named(arguments):
    """The item's name. A model may ask for anything: what is wrong is answered, not broken down over."""
    item = arguments.get("item") if isinstance(arguments, dict) else None
    if not isinstance(item, str):
        raise AgentError.bad_input('the arguments must be {"item": "…"}')
    return item


ITEM = {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}


@tool(READ_ONLY, ITEM)
async def stock(arguments, call):
    """How many there are of an item."""
    item = named(arguments)
    note("looked", item)
    return {"item": item, "count": 3}


@tool(IDEMPOTENT, ITEM)
async def reserve(arguments, call):
    """Reserves an item."""
    item = named(arguments)
    note("asked for", item, key=call.key)
    # The shop knows the key: asked twice, it reserves once.
    if not any(line["what"] == "reserved" and line["key"] == call.key for line in noted()):
        note("reserved", item, key=call.key)
    await asyncio.sleep(arguments.get("ms", 0) / 1_000)
    return {"reserved": item}


class Talker(Agent):
    name = "talker-py"
    description = "Chats, and knows what the shop has"
    skills = ("chat",)
    tools = (stock,)

    async def run(self, ctx):
        messages = [*ctx.history, {"role": "user", "content": ctx.text()}]
        for _ in range(8):
            answer = await ctx.model(messages, tools=ctx.tools(), visible=True)
            wanted = answer.get("tool_calls", [])
            if not wanted:
                return answer["content"]
            messages.append({"role": "assistant", "content": answer["content"], "tool_calls": wanted})
            for call in wanted:
                content = await self.use(ctx, call)
                messages.append({"role": "tool", "content": content, "tool_call_id": call["id"]})
        raise AgentError("the model asked for tools eight times and answered never")

    async def use(self, ctx, call):
        try:
            return json.dumps(await ctx.tool(call["name"], json.loads(call["arguments"])))
        except (AgentError, ValueError) as error:
            return f"failed: {error}"  # for the model to read


class Buyer(Agent):
    name = "buyer-py"
    description = "Buys things, with permission"
    input_schema = {
        "type": "object",
        "properties": {"item": {"type": "string"}, "cents": {"type": "integer"}},
        "required": ["item", "cents"],
    }
    tools = (stock, reserve)

    async def run(self, ctx):
        order = ctx.input
        if not isinstance(order, dict) or not isinstance(order.get("item"), str):
            raise AgentError.bad_input('an order is {"item": "…", "cents": 100}')
        item = order["item"]

        # Two branches at once: a scope each, so that their steps keep their names whoever is first.
        shop, adviser = ctx.scope(), ctx.scope()
        stocked, advice = await asyncio.gather(self.look(shop, item), self.advise(adviser, item))
        if stocked["count"] == 0:
            return "There is none left."

        await ctx.emit(f"Asking whether {item} may be bought. ")
        question = {"buy": item, "cents": order.get("cents", 0), "advice": advice}
        approval = await ctx.approval(question, within=3_600)
        if not approval["approved"]:
            return "Not bought."

        await ctx.tool("reserve", {"item": item, "ms": order.get("reserve_ms", 0)})
        await ctx.sleep(order.get("packing_ms", 100) / 1_000)

        async def pay():
            note("paid", item)
            await asyncio.sleep(order.get("bank_ms", 0) / 1_000)
            return {"receipt": f"receipt for {item}"}

        # Fired at most once. If nobody knows whether it happened, the task stops and asks.
        paid = await ctx.effect("pay", NON_IDEMPOTENT, pay)
        thanks = await ctx.agent("echo", {"content": f"Thank you for {item}!"})
        return f"{paid['receipt']}. {thanks['content']}", paid

    async def look(self, ctx, item):
        return await ctx.tool("stock", {"item": item})

    async def advise(self, ctx, item):
        answer = await ctx.model([{"role": "user", "content": f"What is {item} good for?"}], max_tokens=32)
        return answer["content"]


class Stuntman(Agent):
    name = "stuntman-py"
    description = "Fails in every way, on request: fail, quit, raise, fall, hang, block, dice, crowd"
    tools = (stock,)

    async def run(self, ctx):
        stunt, _, item = ctx.text().partition(" ")
        match stunt:
            case "fail":  # an answer: the task fails
                raise AgentError.bad_input("as told")
            case "quit":  # as if a step had been cancelled
                raise AgentError("as told", "CANCELLED")
            case "raise":  # a breakdown: the attempt is lost
                raise RuntimeError("as told")
            case "fall":  # a breakdown in the middle of an effect: did it happen?
                return await ctx.effect("fall", NON_IDEMPOTENT, self.fall)
            case "hang":
                note("hangs", item)
                try:
                    await asyncio.Event().wait()
                finally:  # asyncio.CancelledError is how a cancellation arrives
                    note("stopped", item)
            case "block" if ctx.attempt == 1:  # silent, therefore taken for hung
                time.sleep(14)
            case "dice":
                rolled = [ctx.random.randint(1, 1_000_000), ctx.scope().random.random(), await ctx.now_ms()]
                note("rolled", item, rolled=rolled)
                if ctx.attempt == 1:
                    raise RuntimeError("and once again")
            case "crowd":  # more at once than there is credit for
                seen = await asyncio.gather(*(ctx.tool("stock", {"item": f"{item}{n}"}) for n in range(200)))
                return str(len(seen))
        return f"{stunt} after {ctx.attempt}"

    async def fall(self):
        raise RuntimeError("in the middle")


if __name__ == "__main__":
    main([Talker(), Buyer(), Stuntman()])
