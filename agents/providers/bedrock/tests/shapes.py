"""Judges requests by botocore's own model of the service: one JSON line each, {"operation", "path", "body"}.

Prints one line a request: `ok`, or what is wrong. Beyond botocore's validator, which knows types, required members and
lower bounds, it looks at upper bounds, patterns and enumerations.
"""

import json
import re
import sys
import urllib.parse

import botocore.session
from botocore.validate import ParamValidator

model = botocore.session.get_session().get_service_model("bedrock-runtime")


def beyond(shape, value, at):
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return
    if kind == "structure":
        for name, member in value.items():
            yield from beyond(shape.members[name], member, f"{at}.{name}")
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            yield f"{at}: a union with {len(value)} members"
    elif kind == "list":
        for index, item in enumerate(value):
            yield from beyond(shape.member, item, f"{at}[{index}]")
    metadata = shape.metadata
    size = len(value) if kind in ("string", "list", "map", "blob") else value if kind != "structure" else None
    if size is not None and "max" in metadata and not isinstance(size, bool) and size > metadata["max"]:
        yield f"{at}: {size} is over {metadata['max']}"
    if kind == "string":
        if "pattern" in metadata and not re.fullmatch(metadata["pattern"], value, re.S):
            yield f"{at}: {value!r} does not match {metadata['pattern']}"
        if shape.enum and value not in shape.enum:
            yield f"{at}: {value!r} is none of {shape.enum}"


for line in sys.stdin:
    asked = json.loads(line)
    operation = model.operation_model(asked["operation"])
    uri = operation.http["requestUri"]
    found = re.fullmatch(re.escape(uri).replace(r"\{modelId\}", "([^/]+)"), asked["path"])
    if not found:
        print(f"{asked['path']} is not {uri}")
        continue
    parameters = {"modelId": urllib.parse.unquote(found[1]), **asked["body"]}
    report = ParamValidator().validate(parameters, operation.input_shape)
    wrong = [report.generate_report()] if report.has_errors() else list(beyond(operation.input_shape, parameters, "request"))
    print("; ".join(wrong).replace("\n", " ") or "ok")
