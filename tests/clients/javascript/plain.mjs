// Both official clients against models that nobody scripts: something is said, whole and streamed.
//
// A target's `says` is what it always says, where that is known.

import { CALLER_KEY, attempt, must, need, same, world } from "./harness.mjs";

const { default: OpenAI } = need("openai");
const { default: Anthropic } = need("@anthropic-ai/sdk");
const shared = { apiKey: CALLER_KEY, maxRetries: 0, timeout: 60_000 };
const openai = new OpenAI({ baseURL: `${world.base}/v1`, ...shared });
const anthropic = new Anthropic({ baseURL: world.base, ...shared });
const QUESTION = "What is the capital of France?";
const messages = [{ role: "user", content: QUESTION }];

const clients = {
  async chat(model) {
    const said = await openai.chat.completions.create({ model, messages, max_completion_tokens: 24 });
    return [said.choices[0].message.content, said.usage.completion_tokens];
  },

  async streamed_chat(model) {
    let [text, finish, usage] = ["", null, null];
    const options = { stream: true, stream_options: { include_usage: true } };
    const asked = { model, messages, max_completion_tokens: 24, ...options };
    // Not by the helper: that one throws where a model reaches the limit.
    for await (const chunk of await openai.chat.completions.create(asked)) {
      usage = chunk.usage ?? usage;
      for (const choice of chunk.choices) {
        text += choice.delta.content ?? "";
        finish = choice.finish_reason ?? finish;
      }
    }
    must(["stop", "length"].includes(finish), `it ends with ${finish}`);
    return [text, usage.completion_tokens];
  },

  async responses(model) {
    const said = await openai.responses.create({ model, input: QUESTION, max_output_tokens: 24 });
    return [said.output_text, said.usage.output_tokens];
  },

  async streamed_responses(model) {
    let text = "";
    let last = null;
    for await (const event of openai.responses.stream({ model, input: QUESTION, max_output_tokens: 24 })) {
      if (event.type === "response.output_text.delta") text += event.delta;
      last = event;
    }
    must(["response.completed", "response.incomplete"].includes(last.type), `it ends with ${last.type}`);
    same(last.response.output.at(-1).content[0].text, text, "the whole");
    return [text, last.response.usage.output_tokens];
  },

  async messages(model) {
    const said = await anthropic.messages.create({ model, messages, max_tokens: 24 });
    return [said.content[0].text, said.usage.output_tokens];
  },

  async streamed_messages(model) {
    let text = "";
    const stream = anthropic.messages.stream({ model, messages, max_tokens: 24 }).on("text", (delta) => (text += delta));
    const whole = await stream.finalMessage();
    same(whole.content[0].text, text, "the whole");
    return [text, whole.usage.output_tokens];
  },
};

for (const facts of world.targets) {
  for (const [name, client] of Object.entries(clients)) {
    const check = async ({ model, says }) => {
      const [text, tokens] = await client(model);
      must(text.trim(), "nothing was said");
      must(tokens > 0, "no figures");
      same(text, says ?? text, "what it always says");
      return `${tokens} tokens: ${text}`;
    };
    await attempt(`${facts.name}: ${name}`, check, facts);
  }
}
