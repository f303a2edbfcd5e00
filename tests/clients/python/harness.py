"""What the checks of every client have in common.

    python CLIENT.py JSON

The JSON says where things are: `base` (what the client talks to), `upstream` (the scripted upstream, to see what
arrived), `through` (whether Greenroom is in between), and `targets` with `name`, `family`, `model` and `embed`. Every
check prints one line, `{"name": …, "ok": …, "detail": …}`.
"""

import base64
import json
import sys
import time
import traceback
import urllib.request
import uuid
import zlib

WORLD = json.loads(sys.argv[1])
THROUGH = WORLD["through"]
CALLER_KEY = "caller-key"
USAGE = {"input": 20, "cached": 5, "output": 9}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
REPORTS = {"Zürich": "sunny ☀", "Oslo": "rain"}
CONTEXT = {"id": "doc-1", "text": "In Nifflheim the sky is green."}
_per_target, _once = [], []


def png():
    """The smallest picture there is."""
    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    head = chunk(b"IHDR", bytes([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(4))) + chunk(b"IEND", b"")


PICTURE = png()
PICTURE_BASE64 = base64.b64encode(PICTURE).decode()


class Target:
    """A model that is asked, and one nonce a check."""

    def __init__(self, facts):
        self.name, self.family = facts["name"], facts["family"]
        self.model, self.embed = facts["model"], facts.get("embed")
        self.nonce = ""

    def faulty(self, fault):
        """The same of a provider that no other check needs: it is not well afterwards."""
        return self.model.replace("/", f"-{fault}/", 1) if THROUGH else self.model

    def text(self, scenario):
        """A user text that makes the upstream play a scenario."""
        return f"[[{scenario} {self.nonce}]] What is there?"

    def asked(self, count=1):
        """What arrived upstream, `count` requests."""
        with urllib.request.urlopen(f"{WORLD['upstream']}/asked/{self.nonce}", timeout=10) as answer:
            entries = json.load(answer)
        same(len(entries), count, "requests that arrived upstream")
        return entries

    def expect_own_key(self, entry):
        """The caller's key stays here, the upstream gets its own."""
        seen = " ".join(entry["headers"].get(name, "") for name in ("authorization", "x-api-key"))
        wanted = "AWS4-HMAC-SHA256" if self.family == "bedrock" else "upstream-key"
        wanted = wanted if THROUGH else CALLER_KEY
        must(wanted in seen and (not THROUGH or CALLER_KEY not in seen), f"the upstream's key is {seen!r}")


    def relayed(self, path, id, said):
        """The one request arrived where the caller sent it, and the answer is the upstream's own."""
        (entry,) = self.asked()
        same((entry["path"], said.id), (path, id), "the path upstream, the answer's id")
        return entry


def check(function):
    """A check of every target."""
    _per_target.append(function)
    return function


def through(function):
    """A check of every target that only Greenroom can pass."""
    if THROUGH:
        _per_target.append(function)
    return function


def once(function):
    """A check that has no target: the first serves."""
    _once.append(function)
    return function


def own(family):
    """A check of targets of the client's own family."""
    def of_family(function):
        function.family = family
        return check(function)

    return of_family


def run():
    """Runs every check."""
    targets = [Target(facts) for facts in WORLD["targets"]]
    for target in targets:
        for function in _per_target:
            if getattr(function, "family", target.family) == target.family:
                attempt(f"{target.name}: {function.__name__}", function, target)
    for function in _once:
        attempt(function.__name__, function, targets[0])


def attempt(name, function, target):
    target.nonce = uuid.uuid4().hex[:12]
    begun = time.monotonic()
    try:
        detail, ok = function(target) or "", True
    except BaseException as wrong:  # noqa: BLE001 - whatever it is, this check failed and the next one runs
        where = traceback.extract_tb(wrong.__traceback__)[-1]
        detail, ok = f"{type(wrong).__name__}: {wrong} ({where.filename}:{where.lineno})", False
    took = round(time.monotonic() - begun, 3)
    print(json.dumps({"name": name, "ok": ok, "detail": detail, "seconds": took}, ensure_ascii=False), flush=True)


def must(condition, otherwise):
    if not condition:
        raise AssertionError(otherwise)


def same(got, wanted, what):
    must(got == wanted, f"{what}: {got!r} instead of {wanted!r}")


def reply(target):
    """What the upstream says in the scenario `say`."""
    return f"Greenroom says Ω 🎭 to {target.nonce}."


def weather_of(arguments):
    """The tool."""
    arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    return REPORTS[arguments["city"]]


def raises(status, kind, call):
    """What a call raised: an exception of this kind with one of these statuses."""
    wanted = status if isinstance(status, tuple) else (status,)
    try:
        call()
    except kind as error:
        must(error.status_code in wanted, f"status {error.status_code}: {error}")
        return error
    raise AssertionError("nothing was raised")


def never_ends_well(call, kind):
    """A stream that broke: something of it came, then the client raised."""
    seen = []
    try:
        call(seen)
    except kind as error:
        must(seen, f"nothing came before {error!r}")
        return f"{len(seen)} pieces, then {type(error).__name__}"
    raise AssertionError(f"ended well after {len(seen)} pieces")


def closed_within(target, seconds, left):
    """Whether the upstream saw its one connection closed so soon after the caller left."""
    patience = time.monotonic() + 10
    while (closed := target.asked()[0]["closed"]) is None:
        must(time.monotonic() < patience, "the upstream's connection stays open")
        time.sleep(0.02)
    must(closed - left < seconds, f"closed after {closed - left:.3f} s")
    return f"closed after {closed - left:.3f} s"


def context_arrived(target, headers):
    """The block stands before the user's text, and nothing of ours goes upstream."""
    (entry,) = target.asked()
    must(any(CONTEXT["text"] in text for text in entry["heard"]["texts"]), "the block did not arrive")
    must("greenroom" not in entry["body"], "our own field arrived upstream")
    same(entry["heard"]["user"], target.text("say"), "the user's text")
    same(headers.get("x-greenroom-context"), CONTEXT["id"], "x-greenroom-context")
