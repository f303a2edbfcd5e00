// The official OpenAI client, Chat Completions and Embeddings.

import {
  CALLER_KEY, CONTEXT, PICTURE, USAGE, WEATHER, closedWithin, contextArrived, must, need, neverEndsWell,
  pictureArrived, reply, run, same, through, throws, weatherOf, world,
} from "./harness.mjs";

const { default: OpenAI } = need("openai");
const { zodResponseFormat } = need("openai/helpers/zod");
const { z } = need("zod");
const client = new OpenAI({ baseURL: `${world.base}/v1`, apiKey: CALLER_KEY, maxRetries: 0, timeout: 20_000 });
const chat = client.chat.completions;
const tools = [
  { type: "function", function: { name: "get_weather", description: "Tells the weather", parameters: WEATHER } },
];
const Weather = z.object({ city: z.string(), celsius: z.number() });
const form = zodResponseFormat(Weather, "weather");
const filled = { city: "Zürich", celsius: 21 };
const user = (target, scenario) => ({ role: "user", content: target.text(scenario) });
const asking = (target, scenario, more = {}) => ({
  model: target.model,
  messages: [user(target, scenario)],
  ...more,
});

function right(usage) {
  same(usage.prompt_tokens, USAGE.input, "prompt_tokens");
  same(usage.prompt_tokens_details.cached_tokens, USAGE.cached, "cached_tokens");
  same(usage.completion_tokens, USAGE.output, "completion_tokens");
  same(usage.total_tokens, USAGE.input + USAGE.output, "total_tokens");
}

/** Runs the tools that a message calls, and says what came of it. */
async function answered(target, scenario, message, count, wanted) {
  const calls = message.tool_calls;
  same(calls.length, count, "calls");
  same(new Set(calls.map((call) => call.id)).size, count, "different ids");
  const results = calls.map((call) => {
    same(call.function.name, "get_weather", "the name");
    return { role: "tool", tool_call_id: call.id, content: weatherOf(call.function.arguments) };
  });
  const { parsed, ...given } = message;
  const messages = [user(target, scenario), given, ...results];
  const said = await chat.create({ model: target.model, messages, tools });
  same([said.choices[0].message.content, said.choices[0].finish_reason], [wanted, "stop"], "answer");
  same((await target.asked(2))[1].heard.results.length, count, "results that arrived");
}

const refused = (target, code, status, kind, more) =>
  throws(status, kind, () => chat.create({ ...asking(target, code, more), model: target.faulty(code) }));

const broken = (target, scenario) =>
  neverEndsWell(
    async (seen) => {
      const asked = { ...asking(target, scenario), model: target.faulty(scenario), stream: true };
      for await (const chunk of await chat.create(asked)) {
        if (chunk.choices[0]?.delta.content) seen.push(chunk.choices[0].delta.content);
      }
    },
    // Without Greenroom the client lets its HTTP library's own error through.
    through ? OpenAI.APIError : Error,
  );

const each = {
  async says(target) {
    const messages = [{ role: "system", content: "Be brief." }, user(target, "say")];
    const said = await chat.create({ model: target.model, messages, temperature: 0.5, max_completion_tokens: 100 });
    same(said.object, "chat.completion", "object");
    same(said.choices[0].message.content, reply(target), "content");
    same([said.choices[0].message.role, said.choices[0].finish_reason], ["assistant", "stop"], "role, finish");
    right(said.usage);
    const [entry] = await target.asked();
    must(entry.heard.system.includes("Be brief."), "the system's text did not arrive as such");
    target.expectOwnKey(entry);
    must(said._request_id || !through, "no request id");
  },

  async streams(target) {
    const asked = asking(target, "say", { stream: true, stream_options: { include_usage: true } });
    let text = "";
    let usage = null;
    const finish = [];
    for await (const chunk of await chat.create(asked)) {
      same(chunk.object, "chat.completion.chunk", "object");
      must(!usage, "a chunk after the figures");
      usage = chunk.usage;
      for (const choice of chunk.choices) {
        text += choice.delta.content ?? "";
        if (choice.finish_reason) finish.push(choice.finish_reason);
      }
    }
    same([text, finish], [reply(target), ["stop"]], "text, finish");
    right(usage);
  },

  async streams_by_helper(target) {
    let deltas = "";
    const stream = chat.stream(asking(target, "say")).on("content", (delta) => (deltas += delta));
    const whole = await stream.finalChatCompletion();
    same([deltas, whole.choices[0].message.content], [reply(target), reply(target)], "deltas, whole");
  },

  async stops_at_the_limit(target) {
    const asked = asking(target, "limit", { max_completion_tokens: 3 });
    const [said] = (await chat.create(asked)).choices;
    same([said.message.content, said.finish_reason], ["As far as it", "length"], "text, finish");
    const finish = [];
    for await (const { choices } of await chat.create({ ...asked, stream: true })) {
      finish.push(...choices.map((choice) => choice.finish_reason).filter(Boolean));
    }
    same(finish, ["length"], "finish");
  },

  async calls_a_tool(target) {
    const { choices } = await chat.create(asking(target, "tool", { tools }));
    same([choices[0].finish_reason, choices[0].message.content], ["tool_calls", "Let me look."], "finish, text");
    await answered(target, "tool", choices[0].message, 1, "It is sunny ☀.");
  },

  async streams_a_tool_call(target) {
    const { choices } = await chat.stream(asking(target, "tool", { tools })).finalChatCompletion();
    same([choices[0].finish_reason, choices[0].message.content], ["tool_calls", "Let me look."], "finish, text");
    await answered(target, "tool", choices[0].message, 1, "It is sunny ☀.");
  },

  async calls_two_tools(target) {
    const { choices } = await chat.create(asking(target, "tools", { tools, parallel_tool_calls: true }));
    await answered(target, "tools", choices[0].message, 2, "sunny ☀; rain");
  },

  async streams_two_tool_calls(target) {
    const { choices } = await chat.stream(asking(target, "tools", { tools })).finalChatCompletion();
    await answered(target, "tools", choices[0].message, 2, "sunny ☀; rain");
  },

  async fills_a_form(target) {
    const said = await chat.parse(asking(target, "form", { response_format: form }));
    same(said.choices[0].message.parsed, filled, "parsed");
  },

  async streams_a_form(target) {
    const said = await chat.stream(asking(target, "form", { response_format: form })).finalChatCompletion();
    same(said.choices[0].message.parsed, filled, "parsed");
  },

  async shows_a_picture(target) {
    const picture = { type: "image_url", image_url: { url: `data:image/png;base64,${PICTURE}` } };
    const content = [{ type: "text", text: target.text("image") }, picture];
    const said = await chat.create({ model: target.model, messages: [{ role: "user", content }] });
    same(said.choices[0].message.content, "image/png", "what was seen");
    await pictureArrived(target);
  },

  async embeds(target) {
    const input = [target.text("embed"), `${target.text("embed")} And here?`];
    const ask = (model, more) => client.embeddings.create({ model, input, ...more });
    if (!target.embed) {
      await throws(400, OpenAI.BadRequestError, () => ask(target.model));
      return;
    }
    // The client asks for base64 where it isn't told otherwise.
    for (const encoding of [{}, { encoding_format: "float" }]) {
      const vectors = await ask(target.embed, encoding);
      const lengths = vectors.data.map(({ embedding }) => embedding[0]);
      same(lengths, input.map((text) => [...text].length), `first numbers, ${JSON.stringify(encoding)}`);
      same(vectors.data.map(({ embedding }) => embedding.slice(1, 3)), [[0.5, -0.25], [0.5, -0.25]], "the middle");
      must(vectors.usage.prompt_tokens > 0, "no figures");
    }
  },

  async fails_with_400(target) {
    const error = await refused(target, "400", 400, OpenAI.BadRequestError);
    must(error.message.includes("scripted 400"), error.message);
    same(error.type, "invalid_request_error", "type");
  },

  async fails_with_401(target) {
    if (target.family === "bedrock") await refused(target, "401", [401, 403], OpenAI.APIError);
    else await refused(target, "401", 401, OpenAI.AuthenticationError);
  },

  async fails_with_429(target) {
    const error = await refused(target, "429", 429, OpenAI.RateLimitError);
    same(error.headers.get("retry-after"), "7", "retry-after");
  },

  fails_with_500: async (target) => void (await refused(target, "500", [500, 502], OpenAI.InternalServerError)),

  fails_with_503: async (target) =>
    void (await refused(target, "503", 503, OpenAI.InternalServerError, { stream: true })),

  fails_when_cut: (target) => broken(target, "cut"),

  async hangs_up(target) {
    const stream = await chat.create(asking(target, "slow", { stream: true }));
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    return closedWithin(target, 1, Date.now());
  },
};

const own = {
  chat: {
    async keeps_unknown_fields(target) {
      const x_future_field = { deep: [1, null, 0.1] };
      const said = await chat.create(asking(target, "say", { x_future_field }));
      const entry = await target.relayed("/v1/chat/completions", "chatcmpl-1", said);
      same(entry.body.x_future_field, x_future_field, "the field");
    },
  },
};

const ours = {
  fails_when_it_stops_midway: (target) => broken(target, "stop"),

  async takes_context(target) {
    const asked = asking(target, "say", { greenroom: { context: [CONTEXT] } });
    const { data, response } = await chat.create(asked).withResponse();
    same(data.choices[0].message.content, reply(target), "content");
    await contextArrived(target, response.headers);
  },
};

const once = {
  async fails_for_a_model_nobody_knows(target) {
    const ask = () => chat.create({ ...asking(target, "say"), model: "nobody/knows" });
    same((await throws(404, OpenAI.NotFoundError, ask)).code, "model_not_found", "code");
  },

  async fails_with_413(target) {
    const long = { role: "user", content: target.text("say") + "x".repeat(70_000) };
    const error = await throws(413, OpenAI.APIError, () => chat.create({ model: target.model, messages: [long] }));
    must(error.error, "the error has no body of OpenAI's shape");
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
