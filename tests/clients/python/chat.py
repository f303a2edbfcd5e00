"""The official OpenAI client, Chat Completions and Embeddings."""

import time

import harness
import openai
from harness import (
    CALLER_KEY, CONTEXT, PICTURE, PICTURE_BASE64, THROUGH, USAGE, WEATHER, WORLD,
    check, closed_within, context_arrived, must, never_ends_well, once, own, raises, reply, same, through, weather_of,
)
from pydantic import BaseModel

client = openai.OpenAI(base_url=f"{WORLD['base']}/v1", api_key=CALLER_KEY, max_retries=0, timeout=20)
create = client.chat.completions.create
TOOLS = [{
    "type": "function",
    "function": {"name": "get_weather", "description": "Tells the weather", "parameters": WEATHER},
}]


class Weather(BaseModel):
    city: str
    celsius: int


def user(target, scenario):
    return {"role": "user", "content": target.text(scenario)}


def right(usage):
    same(usage.prompt_tokens, USAGE["input"], "prompt_tokens")
    same(usage.prompt_tokens_details.cached_tokens, USAGE["cached"], "cached_tokens")
    same(usage.completion_tokens, USAGE["output"], "completion_tokens")
    same(usage.total_tokens, USAGE["input"] + USAGE["output"], "total_tokens")


@check
def says(target):
    messages = [{"role": "system", "content": "Be brief."}, user(target, "say")]
    said = create(model=target.model, messages=messages, temperature=0.5, max_completion_tokens=100)
    same(said.object, "chat.completion", "object")
    same(said.choices[0].message.content, reply(target), "content")
    same((said.choices[0].message.role, said.choices[0].finish_reason), ("assistant", "stop"), "role, finish")
    right(said.usage)
    (entry,) = target.asked()
    must("Be brief." in entry["heard"]["system"], "the system's text did not arrive as such")
    target.expect_own_key(entry)
    if THROUGH:
        must(said._request_id, "no request id")


@check
def streams(target):
    options = {"include_usage": True}
    text, finish, usage = "", [], None
    with create(model=target.model, messages=[user(target, "say")], stream=True, stream_options=options) as stream:
        for chunk in stream:
            same(chunk.object, "chat.completion.chunk", "object")
            must(usage is None, "a chunk after the figures")
            usage = chunk.usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish += [choice.finish_reason] if choice.finish_reason else []
    same((text, finish), (reply(target), ["stop"]), "text, finish")
    right(usage)


@check
def streams_by_helper(target):
    with client.chat.completions.stream(model=target.model, messages=[user(target, "say")]) as stream:
        deltas = "".join(event.delta for event in stream if event.type == "content.delta")
        whole = stream.get_final_completion()
    same((deltas, whole.choices[0].message.content), (reply(target), reply(target)), "deltas, whole")


@check
def stops_at_the_limit(target):
    messages = [user(target, "limit")]
    said = create(model=target.model, messages=messages, max_completion_tokens=3).choices[0]
    same((said.message.content, said.finish_reason), ("As far as it", "length"), "text, finish")
    chunks = list(create(model=target.model, messages=messages, max_completion_tokens=3, stream=True))
    same([one.finish_reason for chunk in chunks for one in chunk.choices if one.finish_reason], ["length"], "finish")


@check
def calls_a_tool(target):
    messages = [user(target, "tool")]
    asked = create(model=target.model, messages=messages, tools=TOOLS)
    same(asked.choices[0].finish_reason, "tool_calls", "finish")
    same(asked.choices[0].message.content, "Let me look.", "the text beside the call")
    return answered(target, messages, asked.choices[0].message, 1, "It is sunny ☀.")


def answered(target, messages, message, count, wanted):
    """Runs the tools that a message calls, and says what came of it."""
    calls = message.tool_calls
    same(len(calls), count, "calls")
    same({call.function.name for call in calls}, {"get_weather"}, "names")
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": weather_of(call.function.arguments)} for call in calls
    ]
    said = create(model=target.model, messages=[*messages, message.model_dump(exclude_none=True), *results], tools=TOOLS)
    same((said.choices[0].message.content, said.choices[0].finish_reason), (wanted, "stop"), "answer")
    same(len(target.asked(2)[1]["heard"]["results"]), count, "results that arrived")


@check
def streams_a_tool_call(target):
    messages = [user(target, "tool")]
    with client.chat.completions.stream(model=target.model, messages=messages, tools=TOOLS) as stream:
        stream.until_done()
        choice = stream.get_final_completion().choices[0]
    same((choice.finish_reason, choice.message.content), ("tool_calls", "Let me look."), "finish, text")
    answered(target, messages, choice.message, 1, "It is sunny ☀.")


@check
def calls_two_tools(target):
    messages = [user(target, "tools")]
    asked = create(model=target.model, messages=messages, tools=TOOLS, parallel_tool_calls=True)
    message = asked.choices[0].message
    same(len({call.id for call in message.tool_calls}), 2, "different ids")
    answered(target, messages, message, 2, "sunny ☀; rain")


@check
def streams_two_tool_calls(target):
    messages = [user(target, "tools")]
    with client.chat.completions.stream(model=target.model, messages=messages, tools=TOOLS) as stream:
        stream.until_done()
        message = stream.get_final_completion().choices[0].message
    answered(target, messages, message, 2, "sunny ☀; rain")


@check
def fills_a_form(target):
    parse = client.chat.completions.parse
    said = parse(model=target.model, messages=[user(target, "form")], response_format=Weather)
    same(said.choices[0].message.parsed, Weather(city="Zürich", celsius=21), "parsed")


@check
def streams_a_form(target):
    stream = client.chat.completions.stream
    with stream(model=target.model, messages=[user(target, "form")], response_format=Weather) as said:
        whole = said.get_final_completion()
    same(whole.choices[0].message.parsed, Weather(city="Zürich", celsius=21), "parsed")


@check
def shows_a_picture(target):
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE_BASE64}"}}
    content = [{"type": "text", "text": target.text("image")}, picture]
    said = create(model=target.model, messages=[{"role": "user", "content": content}])
    same(said.choices[0].message.content, "image/png", "what was seen")
    same(target.asked()[0]["heard"]["images"], [{"mime": "image/png", "size": len(PICTURE)}], "what arrived")


@check
def embeds(target):
    texts = [target.text("embed"), f"{target.text('embed')} And here?"]
    if target.embed is None:
        raises(400, openai.BadRequestError, lambda: client.embeddings.create(model=target.model, input=texts))
        return
    # The client asks for base64 where it isn't told otherwise.
    for encoding in ({}, {"encoding_format": "float"}):
        vectors = client.embeddings.create(model=target.embed, input=texts, **encoding)
        lengths = [vector.embedding[0] for vector in vectors.data]
        same(lengths, [float(len(text)) for text in texts], f"first numbers, {encoding}")
        same([vector.embedding[1:3] for vector in vectors.data], [[0.5, -0.25]] * 2, "the numbers in the middle")
        must(vectors.usage.prompt_tokens > 0, "no figures")


def refused(target, code, status, kind, **more):
    asked = {"model": target.faulty(code), "messages": [user(target, code)], **more}
    return raises(status, kind, lambda: create(**asked))


@check
def fails_with_400(target):
    error = refused(target, "400", 400, openai.BadRequestError)
    must("scripted 400" in error.message, error.message)
    same(error.type, "invalid_request_error", "type")


@check
def fails_with_401(target):
    kind = openai.AuthenticationError if target.family != "bedrock" else openai.APIStatusError
    refused(target, "401", (401, 403) if target.family == "bedrock" else 401, kind)


@check
def fails_with_429(target):
    error = refused(target, "429", 429, openai.RateLimitError)
    same(error.response.headers.get("retry-after"), "7", "retry-after")


@check
def fails_with_500(target):
    refused(target, "500", (500, 502), openai.InternalServerError)


@check
def fails_with_503(target):
    refused(target, "503", 503, openai.InternalServerError, stream=True)


def broken(target, scenario):
    def read(seen):
        for chunk in create(model=target.faulty(scenario), messages=[user(target, scenario)], stream=True):
            seen.extend(choice.delta.content for choice in chunk.choices if choice.delta.content)

    return never_ends_well(read, openai.APIError)


@check
def fails_when_cut(target):
    return broken(target, "cut")


@through
def fails_when_it_stops_midway(target):
    return broken(target, "stop")


@check
def hangs_up(target):
    stream = create(model=target.model, messages=[user(target, "slow")], stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    left = time.time()
    stream.close()
    return closed_within(target, 1.0, left)


@own("chat")
def keeps_unknown_fields(target):
    future = {"x_future_field": {"deep": [1, None, 0.1]}}
    said = create(model=target.model, messages=[user(target, "say")], extra_body=future)
    entry = target.relayed("/v1/chat/completions", "chatcmpl-1", said)
    same(entry["body"].get("x_future_field"), future["x_future_field"], "the field")


@through
def takes_context(target):
    body = {"greenroom": {"context": [CONTEXT]}}
    raw = client.chat.completions.with_raw_response.create(
        model=target.model, messages=[user(target, "say")], extra_body=body
    )
    same(raw.parse().choices[0].message.content, reply(target), "content")
    context_arrived(target, raw.headers)


@once
def fails_for_a_model_nobody_knows(target):
    asked = {"model": "nobody/knows", "messages": [user(target, "say")]}
    error = raises(404, openai.NotFoundError, lambda: create(**asked))
    same(error.code, "model_not_found", "code")


@once
def fails_with_413(target):
    long = {"role": "user", "content": target.text("say") + "x" * 70_000}
    error = raises(413, openai.APIStatusError, lambda: create(model=target.model, messages=[long]))
    must(error.body, "the error has no body of OpenAI's shape")


if THROUGH:
    @once
    def lists_models(target):
        models = {model.id for model in client.models.list()}
        must(target.model in models, f"{target.model} is not among {sorted(models)}")
        same(client.models.retrieve(target.model).id, target.model, "the one")


harness.run()
