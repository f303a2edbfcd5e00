"""AWS Bedrock: Converse, ConverseStream, and Titan's embeddings by InvokeModel."""

import json
import re
import struct
import zlib
from urllib.parse import unquote

import wire_chat
from scenario import USAGE, Heard, Wrong, pieces

PATH = re.compile(r"/model/([^/]+)/(converse|converse-stream|invoke)")
FIGURES = {
    "inputTokens": USAGE["input"] - USAGE["cached"],
    "outputTokens": USAGE["output"],
    "totalTokens": USAGE["input"] + USAGE["output"],
    "cacheReadInputTokens": USAGE["cached"],
    "cacheWriteInputTokens": 0,
}
METADATA = {"usage": FIGURES, "metrics": {"latencyMs": 12}}


def read(path, body):
    model, operation = PATH.fullmatch(path).groups()
    heard = Heard(model=unquote(model), stream=operation == "converse-stream")
    if operation == "invoke":
        heard.says("user", body["inputText"])
        return heard
    heard.system = "".join(block.get("text", "") for block in body.get("system") or [])
    heard.texts.append(heard.system)
    last = None
    for message in body["messages"]:
        if message["role"] == last or message["role"] not in ("user", "assistant"):
            raise Wrong(f"two turns of {last}, or a strange role")
        last = message["role"]
        texts = [block_text(heard, block) for block in message["content"]]
        if any(text is not None for text in texts):
            heard.says(last, "".join(text or "" for text in texts))
    config = body.get("toolConfig") or {}
    heard.tools = [tool["toolSpec"]["name"] for tool in config.get("tools") or [] if "toolSpec" in tool]
    form = (body.get("outputConfig") or {}).get("textFormat")
    if form:
        heard.schema = json.loads(form["structure"]["jsonSchema"]["schema"])
    forced = (config.get("toolChoice") or {}).get("tool")
    if forced and forced["name"] != "get_weather":
        heard.form_tool = forced["name"]
    return heard


def block_text(heard, block):
    """The text of a block that has one."""
    if len(block) != 1:
        raise Wrong(f"a block of several kinds: {sorted(block)}")
    kind, value = next(iter(block.items()))
    if kind == "text":
        return value
    if kind == "image":
        heard.images.append({"mime": f"image/{value['format']}", "data": value["source"]["bytes"]})
    elif kind == "toolUse":
        if not isinstance(value["input"], dict):
            raise Wrong("toolUse.input is no object")
        heard.calls_tool(value["toolUseId"], value["name"])
    elif kind == "toolResult":
        inner = value["content"]
        heard.result(value["toolUseId"], "".join(one.get("text") or json.dumps(one["json"]) for one in inner))
    elif kind != "cachePoint":
        raise Wrong(f"block {kind}")
    return None


def reason(answer):
    if answer.limited:
        return "max_tokens"
    return "tool_use" if answer.calls else "end_turn"


def whole(heard, answer):
    content = [{"text": answer.text}] if answer.text else []
    for id, name, arguments in answer.calls:
        content.append({"toolUse": {"toolUseId": id, "name": name, "input": json.loads(arguments)}})
    output = {"message": {"role": "assistant", "content": content}}
    return {"output": output, "stopReason": reason(answer), **METADATA}


def vectors(body):
    text = body["inputText"]
    return {"embedding": wire_chat.vector_of(text), "inputTextTokenCount": USAGE["input"]}


def events(heard, answer):
    for kind, data in told(answer):
        yield frame(kind, data)


def told(answer):
    yield "messageStart", {"role": "assistant"}
    at = 0
    if answer.text:
        for word in answer.words():
            yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}
        yield "contentBlockStop", {"contentBlockIndex": 0}
        at = 1
    for index, (id, name, arguments) in enumerate(answer.calls, at):
        start = {"toolUse": {"toolUseId": id, "name": name}}
        yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        for piece in pieces(arguments):
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": reason(answer)}
    yield "metadata", METADATA


def frame(kind, data):
    """One message of `application/vnd.amazon.eventstream`."""
    headers = b""
    for name, value in ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    payload = json.dumps(data, ensure_ascii=False).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


def error(status, message):
    kinds = {
        400: "ValidationException",
        401: "UnrecognizedClientException",
        404: "ResourceNotFoundException",
        429: "ThrottlingException",
        500: "InternalServerException",
        503: "ServiceUnavailableException",
    }
    return {"x-amzn-errortype": kinds.get(status, "InternalServerException")}, {"message": message}
