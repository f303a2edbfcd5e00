"""OpenAI Responses."""

import json

import wire_chat
from scenario import USAGE, Heard, Wrong, image_of, pieces

PATHS = ("/v1/responses",)
FIGURES = {
    "input_tokens": USAGE["input"],
    "input_tokens_details": {"cached_tokens": USAGE["cached"]},
    "output_tokens": USAGE["output"],
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": USAGE["input"] + USAGE["output"],
}
error = wire_chat.error


def read(path, body):
    heard = Heard(model=body["model"], stream=body.get("stream") or False)
    heard.system = body.get("instructions") or ""
    heard.texts.append(heard.system)
    inputs = body["input"]
    for item in [{"role": "user", "content": inputs}] if isinstance(inputs, str) else inputs:
        kind = item.get("type", "message")
        if kind == "message":
            message(heard, item)
        elif kind == "function_call":
            json.loads(item["arguments"])
            heard.calls_tool(item["call_id"], item["name"])
        elif kind == "function_call_output":
            output = item["output"]
            heard.result(item["call_id"], output if isinstance(output, str) else text_of(heard, output))
        elif kind != "reasoning":
            raise Wrong(f"item {kind}")
    for tool in body.get("tools") or []:
        if tool["type"] != "function" or not isinstance(tool["parameters"], dict):
            raise Wrong(f"tool {tool}")
        heard.tools.append(tool["name"])
    form = (body.get("text") or {}).get("format") or {}
    if form.get("type") == "json_schema":
        if not form["name"]:
            raise Wrong("the form has no name")
        heard.schema = form["schema"]
    return heard


def message(heard, item):
    role, content = item["role"], item["content"]
    text = content if isinstance(content, str) else text_of(heard, content)
    if role in ("system", "developer"):
        heard.system += text
        heard.texts.append(text)
    elif role in ("user", "assistant"):
        heard.says(role, text)
    else:
        raise Wrong(f"role {role}")


def text_of(heard, parts):
    text = ""
    for part in parts:
        if part["type"] in ("input_text", "output_text"):
            text += part["text"]
        elif part["type"] == "input_image":
            heard.images.append(image_of(part["image_url"]))
        else:
            raise Wrong(f"content part {part['type']}")
    return text


def response(heard, status, output, usage=None):
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": heard.system or None,
        "max_output_tokens": None,
        "metadata": {},
        "model": heard.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": None,
    }


def text_part(text):
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def message_item(status, content):
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content}


def call_item(status, call, arguments):
    id, name, _ = call
    body = {"id": f"fc_{id}", "type": "function_call", "status": status, "call_id": id, "name": name}
    return {**body, "arguments": arguments}


def output(answer):
    items = [message_item(status(answer), [text_part(answer.text)])] if answer.text else []
    return items + [call_item("completed", call, call[2]) for call in answer.calls]


def whole(heard, answer):
    body = response(heard, status(answer), output(answer), FIGURES)
    body["incomplete_details"] = {"reason": "max_output_tokens"} if answer.limited else None
    return body


def status(answer):
    return "incomplete" if answer.limited else "completed"


def events(heard, answer):
    for number, (kind, data) in enumerate(told(heard, answer)):
        body = json.dumps({"type": kind, "sequence_number": number, **data}, ensure_ascii=False)
        yield f"event: {kind}\ndata: {body}\n\n".encode()


def told(heard, answer):
    begun = {"response": response(heard, "in_progress", [])}
    yield "response.created", begun
    yield "response.in_progress", begun
    at = 0
    if answer.text:
        yield from told_text(answer)
        at = 1
    for index, call in enumerate(answer.calls, at):
        yield from told_call(index, call)
    yield f"response.{status(answer)}", {"response": whole(heard, answer)}


def told_text(answer):
    where = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
    done = message_item(status(answer), [text_part(answer.text)])
    yield "response.output_item.added", {"output_index": 0, "item": message_item("in_progress", [])}
    yield "response.content_part.added", {**where, "part": text_part("")}
    for word in answer.words():
        yield "response.output_text.delta", {**where, "delta": word, "logprobs": []}
    yield "response.output_text.done", {**where, "text": answer.text, "logprobs": []}
    yield "response.content_part.done", {**where, "part": text_part(answer.text)}
    yield "response.output_item.done", {"output_index": 0, "item": done}


def told_call(index, call):
    where = {"output_index": index, "item_id": f"fc_{call[0]}"}
    yield "response.output_item.added", {"output_index": index, "item": call_item("in_progress", call, "")}
    for piece in pieces(call[2]):
        yield "response.function_call_arguments.delta", {**where, "delta": piece}
    arguments = {**where, "name": call[1], "arguments": call[2]}
    yield "response.function_call_arguments.done", arguments
    yield "response.output_item.done", {"output_index": index, "item": call_item("completed", call, call[2])}
