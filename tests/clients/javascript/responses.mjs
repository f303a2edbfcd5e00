// The official OpenAI client, Responses.

import {
  CALLER_KEY, CONTEXT, PICTURE, USAGE, WEATHER, closedWithin, contextArrived, must, need, neverEndsWell,
  pictureArrived, reply, run, same, through, throws, weatherOf, world,
} from "./harness.mjs";

const { default: OpenAI } = need("openai");
const { zodTextFormat } = need("openai/helpers/zod");
const { z } = need("zod");
const client = new OpenAI({ baseURL: `${world.base}/v1`, apiKey: CALLER_KEY, maxRetries: 0, timeout: 20_000 });
const { responses } = client;
const tools = [
  { type: "function", name: "get_weather", description: "Tells the weather", strict: false, parameters: WEATHER },
];
const Weather = z.object({ city: z.string(), celsius: z.number() });
const form = { format: zodTextFormat(Weather, "weather") };
const filled = { city: "Zürich", celsius: 21 };
const asking = (target, scenario, more = {}) => ({ model: target.model, input: target.text(scenario), ...more });

function right(usage) {
  same(usage.input_tokens, USAGE.input, "input_tokens");
  same(usage.input_tokens_details.cached_tokens, USAGE.cached, "cached_tokens");
  same(usage.output_tokens, USAGE.output, "output_tokens");
  same(usage.total_tokens, USAGE.input + USAGE.output, "total_tokens");
}

/** Runs the tools that a response calls, and says what came of it. */
async function answered(target, scenario, response, count, wanted) {
  const calls = response.output.filter((item) => item.type === "function_call");
  same(calls.length, count, "calls");
  same(new Set(calls.map((call) => call.call_id)).size, count, "different ids");
  const results = calls.map((call) => {
    same(call.name, "get_weather", "the name");
    return { type: "function_call_output", call_id: call.call_id, output: weatherOf(call.arguments) };
  });
  const given = response.output.map(({ parsed_arguments, ...item }) => item);
  const input = [{ role: "user", content: target.text(scenario) }, ...given, ...results];
  const said = await responses.create({ model: target.model, input, tools });
  same([said.output_text, said.status], [wanted, "completed"], "answer");
  same((await target.asked(2))[1].heard.results.length, count, "results that arrived");
}

const refused = (target, code, status, kind, more) =>
  throws(status, kind, () => responses.create({ ...asking(target, code, more), model: target.faulty(code) }));

const broken = (target, scenario) =>
  neverEndsWell(
    async (seen) => {
      const asked = { ...asking(target, scenario), model: target.faulty(scenario), stream: true };
      for await (const event of await responses.create(asked)) {
        if (event.type === "response.output_text.delta") seen.push(event.delta);
      }
    },
    // Without Greenroom the client lets its HTTP library's own error through.
    through ? OpenAI.APIError : Error,
  );

const each = {
  async says(target) {
    const more = { instructions: "Be brief.", temperature: 0.5, max_output_tokens: 100 };
    const said = await responses.create(asking(target, "say", more));
    same([said.object, said.status, said.error], ["response", "completed", null], "object, status, error");
    same(said.output_text, reply(target), "text");
    right(said.usage);
    const [entry] = await target.asked();
    must(entry.heard.system.includes("Be brief."), "the instructions did not arrive as such");
    target.expectOwnKey(entry);
    must(said._request_id || !through, "no request id");
  },

  async streams(target) {
    let text = "";
    let last = null;
    const numbers = [];
    for await (const event of await responses.create(asking(target, "say", { stream: true }))) {
      numbers.push(event.sequence_number);
      if (event.type === "response.output_text.delta") text += event.delta;
      last = event;
    }
    same(text, reply(target), "text");
    same(numbers, [...numbers.keys()], "sequence numbers");
    same(last.type, "response.completed", "the last event");
    same(last.response.output.at(-1).content[0].text, reply(target), "the text of the whole");
    right(last.response.usage);
  },

  async streams_by_helper(target) {
    let deltas = "";
    const stream = responses.stream(asking(target, "say"));
    stream.on("response.output_text.delta", ({ delta }) => (deltas += delta));
    const whole = await stream.finalResponse();
    same([deltas, whole.output_text], [reply(target), reply(target)], "deltas, whole");
  },

  async stops_at_the_limit(target) {
    const asked = asking(target, "limit", { max_output_tokens: 16 });
    let last = null;
    for await (const event of await responses.create({ ...asked, stream: true })) last = event;
    for (const said of [await responses.create(asked), last.response]) {
      same([said.output.at(-1).content[0].text, said.status], ["As far as it", "incomplete"], "text, status");
      same(said.incomplete_details.reason, "max_output_tokens", "reason");
    }
  },

  async calls_a_tool(target) {
    const asked = await responses.create(asking(target, "tool", { tools }));
    same(asked.output_text, "Let me look.", "the text beside the call");
    await answered(target, "tool", asked, 1, "It is sunny ☀.");
  },

  async streams_a_tool_call(target) {
    const whole = await responses.stream(asking(target, "tool", { tools })).finalResponse();
    same(whole.output_text, "Let me look.", "the text beside the call");
    await answered(target, "tool", whole, 1, "It is sunny ☀.");
  },

  async calls_two_tools(target) {
    const asked = await responses.create(asking(target, "tools", { tools, parallel_tool_calls: true }));
    await answered(target, "tools", asked, 2, "sunny ☀; rain");
  },

  async streams_two_tool_calls(target) {
    const whole = await responses.stream(asking(target, "tools", { tools })).finalResponse();
    await answered(target, "tools", whole, 2, "sunny ☀; rain");
  },

  async fills_a_form(target) {
    const said = await responses.parse(asking(target, "form", { text: form }));
    same(said.output_parsed, filled, "parsed");
  },

  async streams_a_form(target) {
    const said = await responses.stream(asking(target, "form", { text: form })).finalResponse();
    same(said.output_parsed, filled, "parsed");
  },

  async shows_a_picture(target) {
    const picture = { type: "input_image", detail: "auto", image_url: `data:image/png;base64,${PICTURE}` };
    const content = [{ type: "input_text", text: target.text("image") }, picture];
    const said = await responses.create({ model: target.model, input: [{ role: "user", content }] });
    same(said.output_text, "image/png", "what was seen");
    await pictureArrived(target);
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
    const stream = await responses.create(asking(target, "slow", { stream: true }));
    for await (const event of stream) if (event.type === "response.output_text.delta") break;
    return closedWithin(target, 1, Date.now());
  },
};

const own = {
  responses: {
    async keeps_unknown_fields(target) {
      const x_future_field = { deep: [1, null, 0.1] };
      const said = await responses.create(asking(target, "say", { x_future_field }));
      const entry = await target.relayed("/v1/responses", "resp_1", said);
      same(entry.body.x_future_field, x_future_field, "the field");
    },
  },
};

const ours = {
  fails_when_it_stops_midway: (target) => broken(target, "stop"),

  fails_when_cut_by_helper: (target) =>
    neverEndsWell(async (seen) => {
      const stream = responses.stream({ ...asking(target, "cut"), model: target.faulty("cut") });
      stream.on("response.output_text.delta", ({ delta }) => seen.push(delta));
      await stream.finalResponse();
    }, Error),

  async takes_context(target) {
    const asked = asking(target, "say", { greenroom: { context: [CONTEXT] } });
    const { data, response } = await responses.create(asked).withResponse();
    same(data.output_text, reply(target), "text");
    await contextArrived(target, response.headers);
  },
};

const once = {
  async fails_for_a_model_nobody_knows(target) {
    const ask = () => responses.create({ ...asking(target, "say"), model: "nobody/knows" });
    same((await throws(404, OpenAI.NotFoundError, ask)).code, "model_not_found", "code");
  },

  async fails_with_413(target) {
    const input = target.text("say") + "x".repeat(70_000);
    const error = await throws(413, OpenAI.APIError, () => responses.create({ model: target.model, input }));
    must(error.error, "the error has no body of OpenAI's shape");
  },
};

await run({ each, own, ours, once });
