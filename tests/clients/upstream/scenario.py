"""What the scripted upstream answers, whatever the wire: chosen by a mark in the last user text, `[[SCENARIO NONCE]]`."""

import re
from dataclasses import dataclass, field

USAGE = {"input": 20, "cached": 5, "output": 9}
FORM = '{"city":"Zürich","celsius":21}'
MARK = re.compile(r"\[\[(\w+) (\w+)\]\]")


class Wrong(Exception):
    """A request that the wire's public description doesn't allow."""


@dataclass
class Fault(Exception):
    """An error that the scenario asks for."""

    status: int
    message: str
    headers: dict = field(default_factory=dict)


@dataclass
class Heard:
    """A request, the same for every wire."""

    model: str = ""
    stream: bool = False
    with_usage: bool = True
    system: str = ""
    user: str = ""
    texts: list = field(default_factory=list)
    images: list = field(default_factory=list)
    tools: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    results: list = field(default_factory=list)
    schema: dict | None = None
    form_tool: str | None = None

    def says(self, role, text):
        """A text of the conversation."""
        self.texts.append(text)
        if role == "user":
            self.user = text

    def calls_tool(self, id, name):
        """A call that the caller gives back."""
        self.calls.append({"id": id, "name": name})

    def result(self, id, text):
        """A tool's result, of a call that must be there."""
        if id not in [call["id"] for call in self.calls]:
            raise Wrong(f"a result of {id}, which nobody called")
        self.results.append({"id": id, "text": text})

    def mark(self):
        """The scenario and the nonce."""
        found = MARK.search(self.user)
        if not found:
            raise Wrong(f"the last user text has no mark: {self.user!r}")
        return found.groups()


@dataclass
class Answer:
    """What is said, the same for every wire."""

    text: str = ""
    calls: list = field(default_factory=list)
    # The model reached the limit that it was given.
    limited: bool = False
    # The stream breaks in the middle ("cut") or ends in the middle without a word about it ("stop").
    broken: str | None = None
    # Seconds between two pieces.
    pace: float = 0.0

    def words(self):
        """The text in pieces."""
        return re.findall(r"\S+\s*", self.text)


def play(heard):
    """The answer to a request."""
    scenario, nonce = heard.mark()
    if heard.model.startswith("nobody"):
        raise Fault(404, f"there is no model {heard.model}")
    if scenario.isdigit():
        headers = {"retry-after": "7"} if scenario == "429" else {}
        raise Fault(int(scenario), f"scripted {scenario}", headers)
    return getattr(Scenarios, scenario)(heard, nonce)


class Scenarios:
    """One function a scenario."""

    @staticmethod
    def say(heard, nonce):
        return Answer(text=f"Greenroom says Ω 🎭 to {nonce}.")

    @staticmethod
    def tool(heard, nonce):
        if heard.results:
            return Answer(text="It is " + " and ".join(said["text"] for said in heard.results) + ".")
        return Answer(text="Let me look.", calls=[call(heard, nonce, 1, "Zürich")])

    @staticmethod
    def tools(heard, nonce):
        if heard.results:
            by_id = sorted(heard.results, key=lambda said: said["id"])
            return Answer(text="; ".join(said["text"] for said in by_id))
        return Answer(calls=[call(heard, nonce, 1, "Zürich"), call(heard, nonce, 2, "Oslo")])

    @staticmethod
    def form(heard, nonce):
        if heard.form_tool:
            return Answer(calls=[(f"call_{nonce}_f", heard.form_tool, FORM)])
        if not heard.schema:
            raise Wrong("no form was asked for")
        return Answer(text=FORM)

    @staticmethod
    def image(heard, nonce):
        return Answer(text="; ".join(one["mime"] for one in heard.images))

    @staticmethod
    def limit(heard, nonce):
        return Answer(text="As far as it", limited=True)

    @staticmethod
    def cut(heard, nonce):
        return Answer(text="cut " * 20, broken="cut")

    @staticmethod
    def stop(heard, nonce):
        return Answer(text="stop " * 20, broken="stop")

    @staticmethod
    def slow(heard, nonce):
        return Answer(text="slow " * 1200, pace=0.05)


def call(heard, nonce, number, city):
    """A call of the caller's tool, as (id, name, arguments)."""
    if "get_weather" not in heard.tools:
        raise Wrong(f"the tools are {heard.tools}")
    return (f"call_{nonce}_{number}", "get_weather", f'{{"city":"{city}"}}')


def image_of(url):
    """The mime type and the base64 text of a data URL."""
    found = re.fullmatch(r"data:([\w/+-]+);base64,(.+)", url)
    if not found:
        raise Wrong(f"not a data URL: {url[:60]}")
    return {"mime": found[1], "data": found[2]}


def pieces(text, count=2):
    """A text in parts of about the same length."""
    size = max(1, -(-len(text) // count))
    return [text[at : at + size] for at in range(0, len(text), size)]
