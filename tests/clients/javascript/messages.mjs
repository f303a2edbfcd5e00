// The official Anthropic client, Messages.

import {
  CALLER_KEY, CONTEXT, PICTURE, USAGE, WEATHER, closedWithin, contextArrived, must, need, neverEndsWell,
  pictureArrived, reply, run, same, through, throws, weatherOf, world,
} from "./harness.mjs";

const { default: Anthropic } = need("@anthropic-ai/sdk");
const { zodOutputFormat } = need("@anthropic-ai/sdk/helpers/zod");
const { z } = need("zod");
const client = new Anthropic({ baseURL: world.base, apiKey: CALLER_KEY, maxRetries: 0, timeout: 20_000 });
const { messages } = client;
const tools = [{ name: "get_weather", description: "Tells the weather", input_schema: WEATHER }];
const Weather = z.object({ city: z.string(), celsius: z.number() });
const form = { format: zodOutputFormat(Weather) };
const filled = { city: "Zürich", celsius: 21 };
const user = (target, scenario) => ({ role: "user", content: target.text(scenario) });
const asking = (target, scenario, more = {}) => ({
  model: target.model,
  max_tokens: 100,
  messages: [user(target, scenario)],
  ...more,
});

function right(usage) {
  same(usage.input_tokens, USAGE.input - USAGE.cached, "input_tokens");
  same(usage.cache_read_input_tokens, USAGE.cached, "cache_read_input_tokens");
  same(usage.output_tokens, USAGE.output, "output_tokens");
}

const textOf = (message) =>
  message.content
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("");

/** Runs the tools that a message calls, and says what came of it. */
async function answered(target, scenario, message, count, wanted) {
  const calls = message.content.filter((block) => block.type === "tool_use");
  same(calls.length, count, "calls");
  same(new Set(calls.map((call) => call.id)).size, count, "different ids");
  const results = calls.map((call) => {
    same(call.name, "get_weather", "the name");
    return { type: "tool_result", tool_use_id: call.id, content: weatherOf(call.input) };
  });
  const turns = [user(target, scenario), { role: "assistant", content: message.content }, { role: "user", content: results }];
  const said = await messages.create({ model: target.model, max_tokens: 100, messages: turns, tools });
  same([textOf(said), said.stop_reason], [wanted, "end_turn"], "answer");
  same((await target.asked(2))[1].heard.results.length, count, "results that arrived");
}

const refused = (target, code, status, kind, more) =>
  throws(status, kind, () => messages.create({ ...asking(target, code, more), model: target.faulty(code) }));

/** The error has Anthropic's shape. */
const named = (error, kind) =>
  same([error.error.type, error.error.error.type], ["error", kind], "the error's type");

const broken = (target, scenario) =>
  neverEndsWell(
    async (seen) => {
      const asked = { ...asking(target, scenario), model: target.faulty(scenario), stream: true };
      for await (const event of await messages.create(asked)) {
        if (event.type === "content_block_delta") seen.push(event.delta.text);
      }
    },
    // Without Greenroom the client lets its HTTP library's own error through.
    through ? Anthropic.APIError : Error,
  );

const each = {
  async says(target) {
    const said = await messages.create(asking(target, "say", { system: "Be brief." }));
    same([said.type, said.role, said.stop_reason], ["message", "assistant", "end_turn"], "type, role, reason");
    same(textOf(said), reply(target), "text");
    right(said.usage);
    const [entry] = await target.asked();
    must(entry.heard.system.includes("Be brief."), "the system's text did not arrive as such");
    target.expectOwnKey(entry);
    must(said._request_id || !through, "no request id");
  },

  async streams(target) {
    const kinds = [];
    let text = "";
    let usage = {};
    for await (const event of await messages.create(asking(target, "say", { stream: true }))) {
      kinds.push(event.type);
      if (event.type === "content_block_delta") text += event.delta.text;
      if (event.type === "message_delta") {
        same(event.delta.stop_reason, "end_turn", "reason");
        usage = event.usage;
      }
    }
    same(text, reply(target), "text");
    const ends = [kinds[0], ...kinds.slice(-2)];
    same(ends, ["message_start", "message_delta", "message_stop"], "first and last events");
    same(usage.output_tokens, USAGE.output, "output_tokens");
  },

  async streams_by_helper(target) {
    let deltas = "";
    const whole = await messages.stream(asking(target, "say")).on("text", (delta) => (deltas += delta)).finalMessage();
    same([deltas, textOf(whole)], [reply(target), reply(target)], "deltas, whole");
    right(whole.usage);
  },

  async stops_at_the_limit(target) {
    const said = await messages.create(asking(target, "limit"));
    same([textOf(said), said.stop_reason], ["As far as it", "max_tokens"], "text, reason");
    const reasons = [];
    for await (const event of await messages.create(asking(target, "limit", { stream: true }))) {
      if (event.type === "message_delta") reasons.push(event.delta.stop_reason);
    }
    same(reasons, ["max_tokens"], "reason");
  },

  async calls_a_tool(target) {
    const asked = await messages.create(asking(target, "tool", { tools }));
    same([asked.stop_reason, textOf(asked)], ["tool_use", "Let me look."], "reason, text");
    await answered(target, "tool", asked, 1, "It is sunny ☀.");
  },

  async streams_a_tool_call(target) {
    const whole = await messages.stream(asking(target, "tool", { tools })).finalMessage();
    same([whole.stop_reason, textOf(whole)], ["tool_use", "Let me look."], "reason, text");
    await answered(target, "tool", whole, 1, "It is sunny ☀.");
  },

  async calls_two_tools(target) {
    const asked = await messages.create(asking(target, "tools", { tools }));
    await answered(target, "tools", asked, 2, "sunny ☀; rain");
  },

  async streams_two_tool_calls(target) {
    const whole = await messages.stream(asking(target, "tools", { tools })).finalMessage();
    await answered(target, "tools", whole, 2, "sunny ☀; rain");
  },

  async fills_a_form(target) {
    const said = await messages.parse(asking(target, "form", { output_config: form }));
    same(said.parsed_output, filled, "parsed");
  },

  async streams_a_form(target) {
    const said = await messages.stream(asking(target, "form", { output_config: form })).finalMessage();
    same(said.parsed_output, filled, "parsed");
  },

  async shows_a_picture(target) {
    const picture = { type: "image", source: { type: "base64", media_type: "image/png", data: PICTURE } };
    const content = [picture, { type: "text", text: target.text("image") }];
    const said = await messages.create(asking(target, "image", { messages: [{ role: "user", content }] }));
    same(textOf(said), "image/png", "what was seen");
    await pictureArrived(target);
  },

  async fails_with_400(target) {
    const error = await refused(target, "400", 400, Anthropic.BadRequestError);
    named(error, "invalid_request_error");
    must(error.message.includes("scripted 400"), error.message);
  },

  async fails_with_401(target) {
    if (target.family === "bedrock") await refused(target, "401", [401, 403], Anthropic.APIError);
    else named(await refused(target, "401", 401, Anthropic.AuthenticationError), "authentication_error");
  },

  async fails_with_429(target) {
    const error = await refused(target, "429", 429, Anthropic.RateLimitError);
    named(error, "rate_limit_error");
    same(error.headers.get("retry-after"), "7", "retry-after");
  },

  fails_with_500: async (target) =>
    named(await refused(target, "500", [500, 502], Anthropic.InternalServerError), "api_error"),

  fails_with_503: async (target) =>
    named(await refused(target, "503", [503, 529], Anthropic.APIError, { stream: true }), "overloaded_error"),

  fails_when_cut: (target) => broken(target, "cut"),

  async hangs_up(target) {
    const stream = await messages.create(asking(target, "slow", { stream: true }));
    for await (const event of stream) if (event.type === "content_block_delta") break;
    return closedWithin(target, 1, Date.now());
  },
};

const own = {
  messages: {
    async keeps_unknown_fields(target) {
      const x_future_field = { deep: [1, null, 0.1] };
      const headers = { "anthropic-beta": "future-2030-01-01" };
      const said = await messages.create(asking(target, "say", { x_future_field }), { headers });
      const entry = await target.relayed("/v1/messages", "msg_1", said);
      same(entry.body.x_future_field, x_future_field, "the field");
      same(entry.headers["anthropic-beta"], headers["anthropic-beta"], "anthropic-beta");
    },
  },
};

const ours = {
  fails_when_it_stops_midway: (target) => broken(target, "stop"),

  async takes_context(target) {
    const asked = asking(target, "say", { greenroom: { context: [CONTEXT] } });
    const { data, response } = await messages.create(asked).withResponse();
    same(textOf(data), reply(target), "text");
    await contextArrived(target, response.headers);
  },
};

const once = {
  async fails_for_a_model_nobody_knows(target) {
    const ask = () => messages.create({ ...asking(target, "say"), model: "nobody/knows" });
    named(await throws(404, Anthropic.NotFoundError, ask), "not_found_error");
  },

  async fails_with_413(target) {
    const asked = asking(target, "say");
    asked.messages[0].content += "x".repeat(70_000);
    named(await throws(413, Anthropic.APIError, () => messages.create(asked)), "request_too_large");
  },
};

if (through) {
  once.lists_models = async (target) => {
    const models = [];
    for await (const model of client.models.list()) models.push(model.id);
    must(models.includes(target.model), `${target.model} is not among ${models}`);
    same((await client.models.retrieve(target.model)).id, target.model, "the one");
  };
}

await run({ each, own, ours, once });
