"""Both official clients against models that nobody scripts: something is said, whole and streamed.

A target's `says` is what it always says, where that is known.
"""

import anthropic
import openai
from harness import CALLER_KEY, WORLD, Target, attempt, must, same

openai_client = openai.OpenAI(base_url=f"{WORLD['base']}/v1", api_key=CALLER_KEY, max_retries=0, timeout=60)
anthropic_client = anthropic.Anthropic(base_url=WORLD["base"], api_key=CALLER_KEY, max_retries=0, timeout=60)
QUESTION = "What is the capital of France?"
TURN = {"role": "user", "content": QUESTION}


def chat(model):
    said = openai_client.chat.completions.create(model=model, messages=[TURN], max_completion_tokens=24)
    return said.choices[0].message.content, said.usage.completion_tokens


def streamed_chat(model):
    options = {"include_usage": True}
    text, finish, usage = "", None, None
    asked = {"model": model, "messages": [TURN], "max_completion_tokens": 24, "stream_options": options}
    # Not by the helper: that one raises where a model reaches the limit.
    for chunk in openai_client.chat.completions.create(**asked, stream=True):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    must(finish in ("stop", "length"), f"it ends with {finish}")
    return text, usage.completion_tokens


def responses(model):
    said = openai_client.responses.create(model=model, input=QUESTION, max_output_tokens=24)
    return said.output_text, said.usage.output_tokens


def streamed_responses(model):
    with openai_client.responses.stream(model=model, input=QUESTION, max_output_tokens=24) as stream:
        text, last = "", None
        for last in stream:
            text += last.delta if last.type == "response.output_text.delta" else ""
    must(last.type in ("response.completed", "response.incomplete"), f"it ends with {last.type}")
    same(last.response.output_text, text, "the whole")
    return text, last.response.usage.output_tokens


def messages(model):
    said = anthropic_client.messages.create(model=model, messages=[TURN], max_tokens=24)
    return said.content[0].text, said.usage.output_tokens


def streamed_messages(model):
    with anthropic_client.messages.stream(model=model, messages=[TURN], max_tokens=24) as stream:
        text = "".join(stream.text_stream)
        whole = stream.get_final_message()
    same(whole.content[0].text, text, "the whole")
    return text, whole.usage.output_tokens


def checked(facts, client):
    def check(target):
        text, tokens = client(target.model)
        must(text.strip(), "nothing was said")
        must(tokens > 0, "no figures")
        same(text, facts.get("says") or text, "what it always says")
        return f"{tokens} tokens: {text!r}"

    attempt(f"{facts['name']}: {client.__name__}", check, Target(facts))


for facts in WORLD["targets"]:
    for client in (chat, streamed_chat, responses, streamed_responses, messages, streamed_messages):
        checked(facts, client)
