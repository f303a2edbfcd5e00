"""What an agent's author sees: agents, tools, and the context, an agent's only way to effects."""

import json
import random
import time
from dataclasses import dataclass
from typing import Any, Awaitable, Callable

from protocol import AgentError, canonical, common, pb

# What repeating a step does: nothing; nothing more, for it carries a key; it happens again.
READ_ONLY = common.EFFECT_READ_ONLY
IDEMPOTENT = common.EFFECT_IDEMPOTENT
NON_IDEMPOTENT = common.EFFECT_NON_IDEMPOTENT


@dataclass(frozen=True)
class ToolCall:
    """What a tool is told besides its arguments."""

    key: str  # by which the world outside knows this call again: the same in every attempt


@dataclass(frozen=True)
class Tool:
    """Something that an agent's host can do, for the agent itself or because a model asks for it."""

    name: str
    description: str
    effect: int
    parameters: dict[str, Any]
    work: Callable[[Any, ToolCall], Awaitable[Any]]


def tool(effect, parameters):
    """Makes a tool of `async def name(arguments, call)`; its docstring tells the model what it does."""
    return lambda work: Tool(work.__name__, work.__doc__ or "", effect, parameters, work)


class Agent:
    """A named capability. `run` gives text, or text and data; see the README for the one rule that it follows."""

    name: str
    version = "1.0.0"
    description = ""
    skills: tuple[str, ...] = ()
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    tools: tuple[Tool, ...] = ()

    async def run(self, ctx: "Context") -> str | tuple[str | None, Any]:
        raise NotImplementedError

    def card(self):
        schema = lambda value: None if value is None else json.dumps(value)
        return common.AgentCard(
            name=self.name,
            version=self.version,
            description=self.description,
            skills=self.skills,
            input_schema_json=schema(self.input_schema),
            output_schema_json=schema(self.output_schema),
        )


class Context:
    """An attempt's way to models, tools, other agents, time and people.

    A call takes its place in the program **when it is made, not when it is awaited**: `asyncio.gather(ctx.tool(…),
    ctx.tool(…))` is fine. Branches that make calls while others do need a `scope()` each, taken before they part.
    """

    def __init__(self, run, tools, prefix=""):
        start = run.start
        self.task_id = start.task_id
        self.attempt = start.attempt
        self.principal = start.principal
        self.input = json.loads(start.input_json)
        self.history = [
            {"role": common.Role.Name(said.role).removeprefix("ROLE_").lower(), "content": said.content}
            for said in start.history
        ]
        self.deadline_ms = start.deadline_ms if start.HasField("deadline_ms") else None
        self.accepted_at_ms = start.accepted_at_ms
        self.traceparent = start.traceparent  # to be passed on to what an effect calls
        # Draws the same numbers in every attempt, others in every scope.
        self.random = random.Random(f"{start.seed}/{prefix}")
        self._run = run
        self._tools = tools
        self._prefix = prefix
        self._next = 0

    def text(self):
        """The input as a turn of a conversation."""
        content = self.input.get("content") if isinstance(self.input, dict) else self.input
        if not isinstance(content, str):
            raise AgentError.bad_input('the input must be text or {"content": "…"}')
        return content

    def model(self, messages, *, visible=False, **options):
        """Calls a model: `{"content", "tool_calls"?, "finish", "usage", "provider", "model"}`. `visible` shows the
        caller its text as it comes. `options` are those of the contract: `max_tokens`, `temperature`, …"""
        request = {"messages": messages, **options}
        if "model" not in request and self._run.start.HasField("model"):
            request["model"] = self._run.start.model
        name = request.get("model")
        return self._call(common.STEP_KIND_MODEL, name, READ_ONLY, request, visible=visible)

    def tools(self):
        """The agent's tools, as `model(…, tools=…)` is given them."""
        return [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in self._tools.values()
        ]

    def tool(self, name, arguments):
        """Uses a tool of this agent."""
        tool = self._tools.get(name)
        if tool is None:
            self._place()  # what follows must not move when the tool is added
            return _fails(AgentError(f"no tool named {name!r} here", "NOT_FOUND"))
        call = lambda path: tool.work(arguments, ToolCall(key=f"{self.task_id}/{path}"))
        return self._call(common.STEP_KIND_TOOL, name, tool.effect, arguments, work=call)

    def effect(self, name, effect, work):
        """Does something of the agent's own: `await work()`, unless an earlier attempt finished it."""
        return self._call(common.STEP_KIND_EFFECT, name, effect, None, work=lambda _: work())

    def agent(self, name, input):
        """Hands a task to another agent and waits for its `{"content"?, "data"?}`."""
        return self._call(common.STEP_KIND_AGENT, name, IDEMPOTENT, input)

    def sleep(self, seconds):
        """Waits, over restarts too: what has passed isn't waited for twice."""
        return self._call(common.STEP_KIND_TIMER, None, READ_ONLY, {"ms": round(seconds * 1_000)})

    def approval(self, prompt, within=None):
        """Asks a person: `{"approved", "value"?, "note"?, "timedOut"?}`. The attempt usually ends here, and the next
        one goes on from the answer. None within that many seconds is a refusal."""
        request = {"prompt": prompt} if within is None else {"prompt": prompt, "timeoutMs": round(within * 1_000)}
        return self._call(common.STEP_KIND_APPROVAL, None, IDEMPOTENT, request)

    def now_ms(self):
        """The time, the same in every attempt."""

        async def clock():
            return time.time_ns() // 1_000_000

        return self.effect("now", READ_ONLY, clock)

    async def emit(self, text):
        """Shows the caller more text. Not a step: a replay shows it again."""
        await self._run.emit(text)

    def key(self, name):
        """A key by which the world outside knows an effect again: the same in every attempt."""
        return f"{self.task_id}/{name}"

    def scope(self):
        """A context for a concurrent branch: it takes one place here and counts from 0 inside."""
        return Context(self._run, self._tools, f"{self._place()}.")

    def _place(self):
        path, self._next = f"{self._prefix}{self._next}", self._next + 1
        return path

    def _call(self, kind, name, effect, request, *, visible=False, work=None):
        path = self._place()
        try:
            text = canonical(request, "what is asked for")
        except AgentError as error:
            return _fails(error)
        call = pb.Call(path=path, kind=kind, name=name, effect=effect, input_json=text, visible=visible)
        return self._run.ask(call, work and (lambda: work(path)))


async def _fails(error):
    raise error
