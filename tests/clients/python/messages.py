"""The official Anthropic client, Messages."""

import time

import anthropic
import harness
from harness import (
    CALLER_KEY, CONTEXT, PICTURE, PICTURE_BASE64, THROUGH, USAGE, WEATHER, WORLD,
    check, closed_within, context_arrived, must, never_ends_well, once, own, raises, reply, same, through, weather_of,
)
from pydantic import BaseModel

client = anthropic.Anthropic(base_url=WORLD["base"], api_key=CALLER_KEY, max_retries=0, timeout=20)
create = client.messages.create
TOOLS = [{"name": "get_weather", "description": "Tells the weather", "input_schema": WEATHER}]


class Weather(BaseModel):
    city: str
    celsius: int


def asking(target, scenario, **more):
    """The fields of a request."""
    turn = {"role": "user", "content": target.text(scenario)}
    return {"model": target.model, "max_tokens": 100, "messages": [turn], **more}


def right(usage):
    same(usage.input_tokens, USAGE["input"] - USAGE["cached"], "input_tokens")
    same(usage.cache_read_input_tokens, USAGE["cached"], "cache_read_input_tokens")
    same(usage.output_tokens, USAGE["output"], "output_tokens")


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


@check
def says(target):
    said = create(**asking(target, "say"), system="Be brief.")
    same((said.type, said.role, said.stop_reason), ("message", "assistant", "end_turn"), "type, role, reason")
    same(text_of(said), reply(target), "text")
    right(said.usage)
    (entry,) = target.asked()
    must("Be brief." in entry["heard"]["system"], "the system's text did not arrive as such")
    target.expect_own_key(entry)
    if THROUGH:
        must(said._request_id, "no request id")


@check
def streams(target):
    kinds, text, usage = [], "", {}
    with create(**asking(target, "say"), stream=True) as stream:
        for event in stream:
            kinds.append(event.type)
            if event.type == "content_block_delta":
                text += event.delta.text
            if event.type == "message_delta":
                same(event.delta.stop_reason, "end_turn", "reason")
                usage = event.usage
    same(text, reply(target), "text")
    same((kinds[0], kinds[-2:]), ("message_start", ["message_delta", "message_stop"]), "first and last events")
    same(usage.output_tokens, USAGE["output"], "output_tokens")


@check
def streams_by_helper(target):
    with client.messages.stream(**asking(target, "say")) as stream:
        deltas = "".join(stream.text_stream)
        whole = stream.get_final_message()
    same((deltas, text_of(whole)), (reply(target), reply(target)), "deltas, whole")
    right(whole.usage)


@check
def stops_at_the_limit(target):
    said = create(**asking(target, "limit"))
    same((text_of(said), said.stop_reason), ("As far as it", "max_tokens"), "text, reason")
    events = list(create(**asking(target, "limit"), stream=True))
    reasons = [event.delta.stop_reason for event in events if event.type == "message_delta"]
    same(reasons, ["max_tokens"], "reason")


@check
def calls_a_tool(target):
    asked = create(**asking(target, "tool"), tools=TOOLS)
    same((asked.stop_reason, text_of(asked)), ("tool_use", "Let me look."), "reason, the text beside the call")
    answered(target, "tool", asked, 1, "It is sunny ☀.")


def answered(target, scenario, message, count, wanted):
    """Runs the tools that a message calls, and says what came of it."""
    calls = [block for block in message.content if block.type == "tool_use"]
    same(len(calls), count, "calls")
    same({call.name for call in calls}, {"get_weather"}, "names")
    same(len({call.id for call in calls}), count, "different ids")
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": weather_of(call.input)} for call in calls
    ]
    request = asking(target, scenario, tools=TOOLS)
    request["messages"] += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    said = create(**request)
    same((text_of(said), said.stop_reason), (wanted, "end_turn"), "answer")
    same(len(target.asked(2)[1]["heard"]["results"]), count, "results that arrived")


@check
def streams_a_tool_call(target):
    with client.messages.stream(**asking(target, "tool"), tools=TOOLS) as stream:
        whole = stream.get_final_message()
    same((whole.stop_reason, text_of(whole)), ("tool_use", "Let me look."), "reason, the text beside the call")
    answered(target, "tool", whole, 1, "It is sunny ☀.")


@check
def calls_two_tools(target):
    answered(target, "tools", create(**asking(target, "tools"), tools=TOOLS), 2, "sunny ☀; rain")


@check
def streams_two_tool_calls(target):
    with client.messages.stream(**asking(target, "tools"), tools=TOOLS) as stream:
        whole = stream.get_final_message()
    answered(target, "tools", whole, 2, "sunny ☀; rain")


@check
def fills_a_form(target):
    said = client.messages.parse(**asking(target, "form"), output_format=Weather)
    same(said.parsed_output, Weather(city="Zürich", celsius=21), "parsed")


@check
def streams_a_form(target):
    with client.messages.stream(**asking(target, "form"), output_format=Weather) as stream:
        whole = stream.get_final_message()
    same(whole.parsed_output, Weather(city="Zürich", celsius=21), "parsed")


@check
def shows_a_picture(target):
    source = {"type": "base64", "media_type": "image/png", "data": PICTURE_BASE64}
    content = [{"type": "image", "source": source}, {"type": "text", "text": target.text("image")}]
    said = create(model=target.model, max_tokens=100, messages=[{"role": "user", "content": content}])
    same(text_of(said), "image/png", "what was seen")
    same(target.asked()[0]["heard"]["images"], [{"mime": "image/png", "size": len(PICTURE)}], "what arrived")


def refused(target, code, status, kind, **more):
    asked = {**asking(target, code), "model": target.faulty(code), **more}
    return raises(status, kind, lambda: create(**asked))


def named(error, kind):
    """The error has Anthropic's shape."""
    same((error.body["type"], error.body["error"]["type"]), ("error", kind), "the error's type")


@check
def fails_with_400(target):
    error = refused(target, "400", 400, anthropic.BadRequestError)
    named(error, "invalid_request_error")
    must("scripted 400" in error.message, error.message)


@check
def fails_with_401(target):
    if target.family == "bedrock":
        refused(target, "401", (401, 403), anthropic.APIStatusError)
    else:
        named(refused(target, "401", 401, anthropic.AuthenticationError), "authentication_error")


@check
def fails_with_429(target):
    error = refused(target, "429", 429, anthropic.RateLimitError)
    named(error, "rate_limit_error")
    same(error.response.headers.get("retry-after"), "7", "retry-after")


@check
def fails_with_500(target):
    named(refused(target, "500", (500, 502), anthropic.InternalServerError), "api_error")


@check
def fails_with_503(target):
    named(refused(target, "503", (503, 529), anthropic.APIStatusError, stream=True), "overloaded_error")


def broken(target, scenario):
    def read(seen):
        for event in create(**{**asking(target, scenario), "model": target.faulty(scenario)}, stream=True):
            seen.extend([event.delta.text] if event.type == "content_block_delta" else [])

    # Without Greenroom the client lets its HTTP library's own error through.
    return never_ends_well(read, anthropic.APIError if THROUGH else Exception)


@check
def fails_when_cut(target):
    return broken(target, "cut")


@through
def fails_when_it_stops_midway(target):
    return broken(target, "stop")


@check
def hangs_up(target):
    stream = create(**asking(target, "slow"), stream=True)
    for event in stream:
        if event.type == "content_block_delta":
            break
    left = time.time()
    stream.close()
    return closed_within(target, 1.0, left)


@own("messages")
def keeps_unknown_fields(target):
    future = {"x_future_field": {"deep": [1, None, 0.1]}}
    headers = {"anthropic-beta": "future-2030-01-01"}
    said = create(**asking(target, "say"), extra_body=future, extra_headers=headers)
    entry = target.relayed("/v1/messages", "msg_1", said)
    same(entry["body"].get("x_future_field"), future["x_future_field"], "the field")
    same(entry["headers"].get("anthropic-beta"), headers["anthropic-beta"], "anthropic-beta")


@through
def takes_context(target):
    body = {"greenroom": {"context": [CONTEXT]}}
    raw = client.messages.with_raw_response.create(**asking(target, "say"), extra_body=body)
    same(text_of(raw.parse()), reply(target), "text")
    context_arrived(target, raw.headers)


@once
def fails_for_a_model_nobody_knows(target):
    asked = {**asking(target, "say"), "model": "nobody/knows"}
    named(raises(404, anthropic.NotFoundError, lambda: create(**asked)), "not_found_error")


@once
def fails_with_413(target):
    asked = asking(target, "say")
    asked["messages"][0]["content"] += "x" * 70_000
    named(raises(413, anthropic.APIStatusError, lambda: create(**asked)), "request_too_large")


if THROUGH:
    @once
    def lists_models(target):
        models = {model.id for model in client.models.list()}
        must(target.model in models, f"{target.model} is not among {sorted(models)}")
        same(client.models.retrieve(target.model).id, target.model, "the one")


harness.run()
