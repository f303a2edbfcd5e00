"""OpenAI Chat Completions and Embeddings."""

import base64
import json
import struct

from scenario import USAGE, Heard, Wrong, image_of, pieces

PATHS = ("/v1/chat/completions", "/v1/embeddings")
FIGURES = {
    "prompt_tokens": USAGE["input"],
    "completion_tokens": USAGE["output"],
    "total_tokens": USAGE["input"] + USAGE["output"],
    "prompt_tokens_details": {"cached_tokens": USAGE["cached"]},
    "completion_tokens_details": {"reasoning_tokens": 0},
}


def read(path, body):
    heard = Heard(model=body["model"], stream=body.get("stream") or False)
    heard.with_usage = (body.get("stream_options") or {}).get("include_usage", False)
    if path.endswith("embeddings"):
        inputs = body["input"]
        heard.says("user", inputs if isinstance(inputs, str) else inputs[0])
        return heard
    for message in body["messages"]:
        role = message["role"]
        texts = [content(heard, part) for part in parts(message.get("content"))]
        text = "".join(texts)
        if role in ("system", "developer"):
            heard.system += text
            heard.texts.append(text)
        elif role == "tool":
            heard.result(message["tool_call_id"], text)
        elif role in ("user", "assistant"):
            heard.says(role, text)
        else:
            raise Wrong(f"role {role}")
        for call in message.get("tool_calls") or []:
            json.loads(call["function"]["arguments"])
            heard.calls_tool(call["id"], call["function"]["name"])
    for tool in body.get("tools") or []:
        if tool["type"] != "function" or not isinstance(tool["function"]["parameters"], dict):
            raise Wrong(f"tool {tool}")
        heard.tools.append(tool["function"]["name"])
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        heard.schema = form["json_schema"]["schema"]
    return heard


def parts(content):
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def content(heard, part):
    if part["type"] == "text":
        return part["text"]
    if part["type"] == "image_url":
        heard.images.append(image_of(part["image_url"]["url"]))
        return ""
    raise Wrong(f"content part {part['type']}")


def head(heard, kind):
    return {"id": "chatcmpl-1", "object": kind, "created": 1_700_000_000, "model": heard.model}


def finish(answer):
    if answer.limited:
        return "length"
    return "tool_calls" if answer.calls else "stop"


def whole(heard, answer):
    message = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.calls:
        message["tool_calls"] = [called(one) for one in answer.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish(answer)}
    return {**head(heard, "chat.completion"), "choices": [choice], "usage": FIGURES}


def called(call):
    id, name, arguments = call
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def events(heard, answer):
    for data in chunks(heard, answer):
        yield f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
    yield b"data: [DONE]\n\n"


def chunks(heard, answer):
    start = head(heard, "chat.completion.chunk")

    def chunk(delta, reason=None):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**start, "choices": [choice], **({"usage": None} if heard.with_usage else {})}

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for word in answer.words():
        yield chunk({"content": word})
    for index, one in enumerate(answer.calls):
        first = called((one[0], one[1], ""))
        yield chunk({"tool_calls": [{"index": index, **first}]})
        for piece in pieces(one[2]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, finish(answer))
    if heard.with_usage:
        yield {**start, "choices": [], "usage": FIGURES}


def vectors(body):
    inputs = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = []
    for index, text in enumerate(inputs):
        vector = vector_of(text)
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    used = {"prompt_tokens": USAGE["input"], "total_tokens": USAGE["input"]}
    return {"object": "list", "data": data, "model": body["model"], "usage": used}


def vector_of(text):
    """Four numbers that tell texts apart, exact in 32 bits."""
    return [float(len(text)), 0.5, -0.25, float(sum(text.encode()) % 1024)]


def error(status, message):
    kinds = {401: "invalid_request_error", 429: "rate_limit_exceeded", 404: "invalid_request_error"}
    codes = {401: "invalid_api_key", 429: "rate_limit_exceeded", 404: "model_not_found", 400: "invalid_value"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {}, {"error": {"message": message, "type": kind, "param": None, "code": codes.get(status)}}
