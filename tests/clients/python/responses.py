"""The official OpenAI client, Responses."""

import time

import harness
import openai
from harness import (
    CALLER_KEY, CONTEXT, PICTURE, PICTURE_BASE64, THROUGH, USAGE, WEATHER, WORLD,
    check, closed_within, context_arrived, must, never_ends_well, once, own, raises, reply, same, through, weather_of,
)
from pydantic import BaseModel

client = openai.OpenAI(base_url=f"{WORLD['base']}/v1", api_key=CALLER_KEY, max_retries=0, timeout=20)
create = client.responses.create
TOOLS = [{
    "type": "function", "name": "get_weather", "description": "Tells the weather", "strict": False,
    "parameters": WEATHER,
}]


class Weather(BaseModel):
    city: str
    celsius: int


def right(usage):
    same(usage.input_tokens, USAGE["input"], "input_tokens")
    same(usage.input_tokens_details.cached_tokens, USAGE["cached"], "cached_tokens")
    same(usage.output_tokens, USAGE["output"], "output_tokens")
    same(usage.total_tokens, USAGE["input"] + USAGE["output"], "total_tokens")


@check
def says(target):
    said = create(
        model=target.model, input=target.text("say"), instructions="Be brief.", temperature=0.5, max_output_tokens=100
    )
    same((said.object, said.status, said.error), ("response", "completed", None), "object, status, error")
    same(said.output_text, reply(target), "text")
    right(said.usage)
    (entry,) = target.asked()
    must("Be brief." in entry["heard"]["system"], "the instructions did not arrive as such")
    target.expect_own_key(entry)
    if THROUGH:
        must(said._request_id, "no request id")


@check
def streams(target):
    text, numbers, last = "", [], None
    with create(model=target.model, input=target.text("say"), stream=True) as stream:
        for event in stream:
            numbers.append(event.sequence_number)
            text += event.delta if event.type == "response.output_text.delta" else ""
            last = event
    same(text, reply(target), "text")
    same(numbers, list(range(len(numbers))), "sequence numbers")
    same((last.type, last.response.output_text), ("response.completed", reply(target)), "the last event")
    right(last.response.usage)


@check
def streams_by_helper(target):
    with client.responses.stream(model=target.model, input=target.text("say")) as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        whole = stream.get_final_response()
    same((deltas, whole.output_text), (reply(target), reply(target)), "deltas, whole")


@check
def stops_at_the_limit(target):
    asked = {"model": target.model, "input": target.text("limit"), "max_output_tokens": 16}
    for said in (create(**asked), list(create(**asked, stream=True))[-1].response):
        same((said.output_text, said.status), ("As far as it", "incomplete"), "text, status")
        same(said.incomplete_details.reason, "max_output_tokens", "reason")


@check
def calls_a_tool(target):
    turns = [{"role": "user", "content": target.text("tool")}]
    asked = create(model=target.model, input=turns, tools=TOOLS)
    same(asked.output_text, "Let me look.", "the text beside the call")
    answered(target, turns, asked, 1, "It is sunny ☀.")


def answered(target, turns, response, count, wanted):
    """Runs the tools that a response calls, and says what came of it."""
    calls = [item for item in response.output if item.type == "function_call"]
    same(len(calls), count, "calls")
    same({call.name for call in calls}, {"get_weather"}, "names")
    same(len({call.call_id for call in calls}), count, "different ids")
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": weather_of(call.arguments)}
        for call in calls
    ]
    output = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in response.output]
    said = create(model=target.model, input=[*turns, *output, *results], tools=TOOLS)
    same((said.output_text, said.status), (wanted, "completed"), "answer")
    same(len(target.asked(2)[1]["heard"]["results"]), count, "results that arrived")


@check
def streams_a_tool_call(target):
    turns = [{"role": "user", "content": target.text("tool")}]
    with client.responses.stream(model=target.model, input=turns, tools=TOOLS) as stream:
        whole = stream.get_final_response()
    same(whole.output_text, "Let me look.", "the text beside the call")
    answered(target, turns, whole, 1, "It is sunny ☀.")


@check
def calls_two_tools(target):
    turns = [{"role": "user", "content": target.text("tools")}]
    asked = create(model=target.model, input=turns, tools=TOOLS, parallel_tool_calls=True)
    answered(target, turns, asked, 2, "sunny ☀; rain")


@check
def streams_two_tool_calls(target):
    turns = [{"role": "user", "content": target.text("tools")}]
    with client.responses.stream(model=target.model, input=turns, tools=TOOLS) as stream:
        whole = stream.get_final_response()
    answered(target, turns, whole, 2, "sunny ☀; rain")


@check
def fills_a_form(target):
    said = client.responses.parse(model=target.model, input=target.text("form"), text_format=Weather)
    same(said.output_parsed, Weather(city="Zürich", celsius=21), "parsed")


@check
def streams_a_form(target):
    with client.responses.stream(model=target.model, input=target.text("form"), text_format=Weather) as stream:
        whole = stream.get_final_response()
    same(whole.output_parsed, Weather(city="Zürich", celsius=21), "parsed")


@check
def shows_a_picture(target):
    picture = {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PICTURE_BASE64}"}
    content = [{"type": "input_text", "text": target.text("image")}, picture]
    said = create(model=target.model, input=[{"role": "user", "content": content}])
    same(said.output_text, "image/png", "what was seen")
    same(target.asked()[0]["heard"]["images"], [{"mime": "image/png", "size": len(PICTURE)}], "what arrived")


def refused(target, code, status, kind, **more):
    asked = {"model": target.faulty(code), "input": target.text(code), **more}
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
        for event in create(model=target.faulty(scenario), input=target.text(scenario), stream=True):
            seen.extend([event.delta] if event.type == "response.output_text.delta" else [])

    return never_ends_well(read, openai.APIError)


@check
def fails_when_cut(target):
    return broken(target, "cut")


@through
def fails_when_it_stops_midway(target):
    return broken(target, "stop")


@through
def fails_when_cut_by_helper(target):
    def read(seen):
        with client.responses.stream(model=target.faulty("cut"), input=target.text("cut")) as stream:
            for event in stream:
                seen.extend([event.delta] if event.type == "response.output_text.delta" else [])
            stream.get_final_response()

    return never_ends_well(read, Exception)


@check
def hangs_up(target):
    stream = create(model=target.model, input=target.text("slow"), stream=True)
    for event in stream:
        if event.type == "response.output_text.delta":
            break
    left = time.time()
    stream.close()
    return closed_within(target, 1.0, left)


@own("responses")
def keeps_unknown_fields(target):
    future = {"x_future_field": {"deep": [1, None, 0.1]}}
    said = create(model=target.model, input=target.text("say"), extra_body=future)
    entry = target.relayed("/v1/responses", "resp_1", said)
    same(entry["body"].get("x_future_field"), future["x_future_field"], "the field")


@through
def takes_context(target):
    body = {"greenroom": {"context": [CONTEXT]}}
    raw = client.responses.with_raw_response.create(
        model=target.model, input=target.text("say"), extra_body=body
    )
    same(raw.parse().output_text, reply(target), "text")
    context_arrived(target, raw.headers)


@once
def fails_for_a_model_nobody_knows(target):
    asked = {"model": "nobody/knows", "input": target.text("say")}
    error = raises(404, openai.NotFoundError, lambda: create(**asked))
    same(error.code, "model_not_found", "code")


@once
def fails_with_413(target):
    long = target.text("say") + "x" * 70_000
    error = raises(413, openai.APIStatusError, lambda: create(model=target.model, input=long))
    must(error.body, "the error has no body of OpenAI's shape")


harness.run()
