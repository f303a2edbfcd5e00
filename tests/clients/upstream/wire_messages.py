"""Anthropic Messages."""

import json

from scenario import USAGE, Heard, Wrong, pieces

PATHS = ("/v1/messages",)
READ = {
    "input_tokens": USAGE["input"] - USAGE["cached"],
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": USAGE["cached"],
}
FIGURES = {**READ, "output_tokens": USAGE["output"]}


def read(path, body):
    if not isinstance(body.get("max_tokens"), int):
        raise Wrong("max_tokens: Field required")
    heard = Heard(model=body["model"], stream=body.get("stream") or False)
    heard.system = "".join(block["text"] for block in blocks(body.get("system")))
    heard.texts.append(heard.system)
    for message in body["messages"]:
        role = message["role"]
        if role not in ("user", "assistant"):
            raise Wrong(f"role {role}")
        texts = [block_text(heard, block) for block in blocks(message["content"])]
        if any(text is not None for text in texts):
            heard.says(role, "".join(text or "" for text in texts))
    for tool in body.get("tools") or []:
        if not isinstance(tool["input_schema"], dict):
            raise Wrong(f"tool {tool}")
        heard.tools.append(tool["name"])
    form = (body.get("output_config") or {}).get("format") or {}
    if form:
        heard.schema = form["schema"]
    return heard


def blocks(content):
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def block_text(heard, block):
    """The text of a block that has one."""
    kind = block["type"]
    if kind == "text":
        if not block["text"]:
            raise Wrong("text content blocks must be non-empty")
        return block["text"]
    if kind == "image":
        source = block["source"]
        if source["type"] != "base64":
            raise Wrong(f"image source {source['type']}")
        heard.images.append({"mime": source["media_type"], "data": source["data"]})
        return None
    if kind == "tool_use":
        if not isinstance(block["input"], dict):
            raise Wrong("tool_use.input: Input should be a valid dictionary")
        heard.calls_tool(block["id"], block["name"])
        return None
    if kind == "tool_result":
        said = "".join(inner["text"] for inner in blocks(block.get("content")))
        heard.result(block["tool_use_id"], said)
        return None
    raise Wrong(f"block {kind}")


def content(answer):
    text = [{"type": "text", "text": answer.text}] if answer.text else []
    return text + [
        {"type": "tool_use", "id": id, "name": name, "input": json.loads(arguments)}
        for id, name, arguments in answer.calls
    ]


def reason(answer):
    if answer.limited:
        return "max_tokens"
    return "tool_use" if answer.calls else "end_turn"


def message(heard, content, reason, usage):
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": heard.model, "content": content}
    return {**body, "stop_reason": reason, "stop_sequence": None, "usage": usage}


def whole(heard, answer):
    return message(heard, content(answer), reason(answer), FIGURES)


def events(heard, answer):
    for kind, data in told(heard, answer):
        body = json.dumps({"type": kind, **data}, ensure_ascii=False)
        yield f"event: {kind}\ndata: {body}\n\n".encode()


def told(heard, answer):
    yield "message_start", {"message": message(heard, [], None, {**READ, "output_tokens": 1})}
    yield "ping", {}
    at = 0
    if answer.text:
        yield "content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}
        for word in answer.words():
            yield "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": word}}
        yield "content_block_stop", {"index": 0}
        at = 1
    for index, (id, name, arguments) in enumerate(answer.calls, at):
        block = {"type": "tool_use", "id": id, "name": name, "input": {}}
        yield "content_block_start", {"index": index, "content_block": block}
        for piece in ["", *pieces(arguments)]:
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    ended = {"stop_reason": reason(answer), "stop_sequence": None}
    yield "message_delta", {"delta": ended, "usage": FIGURES}
    yield "message_stop", {}


def error(status, message):
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
    }
    kind = kinds.get(status, "api_error")
    return {}, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
