"""Judges an agent host, in whatever language it is written, by playing its supervisor.

    python check.py http://127.0.0.1:7072 buyer-py '{"item": "kettle", "cents": 1999}'

It runs one agent again and again, really: its tools do what they do. Models, people and other agents are played.
"""

import asyncio
import contextlib
import json
import re
import sys
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from protocol import MESSAGE_LIMIT, SERVICE, common, pb, rpc

OWN = (common.STEP_KIND_TOOL, common.STEP_KIND_EFFECT)
USAGE = {
    "input_tokens": 1,
    "cached_input_tokens": 0,
    "cache_write_tokens": 0,
    "output_tokens": 1,
    "reasoning_tokens": 0,
    "cost_usd": None,
    "estimated": False,
}
ANSWERS = {
    common.STEP_KIND_MODEL: {"content": "Yes.", "finish": "stop", "usage": USAGE, "provider": "check", "model": "check"},
    common.STEP_KIND_AGENT: {"content": "Thank you."},
    common.STEP_KIND_TIMER: None,
    common.STEP_KIND_APPROVAL: {"approved": True},
}
EFFECTS = {
    common.STEP_KIND_MODEL: common.EFFECT_READ_ONLY,
    common.STEP_KIND_TIMER: common.EFFECT_READ_ONLY,
    common.STEP_KIND_AGENT: common.EFFECT_IDEMPOTENT,
    common.STEP_KIND_APPROVAL: common.EFFECT_IDEMPOTENT,
}


@dataclass
class Heard:
    """What a run said."""

    calls: dict = field(default_factory=dict)  # path -> what makes the step the same in a replay
    outcomes: dict = field(default_factory=dict)  # path -> the result that it had
    wrong: list = field(default_factory=list)
    ran: int = 0  # steps that the host ran itself
    most_open: int = 0
    text: str = ""
    end: object = None


class Host:
    """A supervisor's view of one host and one of its agents."""

    def __init__(self, channel, agent, input):
        self.channel = channel
        self.agent = agent
        self.input = input
        self.stub = rpc.AgentServiceStub(channel)

    async def open(self, **start):
        stream = self.stub.Run()
        given = dict(
            task_id="check.0",
            agent=self.agent,
            attempt=1,
            principal=common.Principal(tenant="check", subject="check"),
            input_json=self.input,
            accepted_at_ms=1_700_000_000_000,
            seed=7,
            credit=64,
            heartbeat_ms=10_000,
        )
        await stream.write(pb.RunRequest(start=pb.Start(**(given | start))))
        await asyncio.wait_for(stream.initial_metadata(), 10)
        return stream

    async def run(self, finished=(), pause=0, **start):
        """One attempt, played to its end. The steps in `finished` are answered with what they had there."""
        heard = Heard()
        stream = await self.open(**start)
        try:
            async with asyncio.timeout(60):
                await self._play(stream, heard, dict(finished), pause, start.get("credit", 64))
        except TimeoutError:
            heard.wrong.append("it came to no end within 60 s")
            stream.cancel()
        except grpc.aio.AioRpcError as error:
            heard.wrong.append(f"it ended with {error.code()}: {error.details()}")
        return heard

    async def _play(self, stream, heard, finished, pause, credit):
        open_calls, answering, turn = set(), set(), asyncio.Lock()

        async def answer(call):
            await asyncio.sleep(pause)
            if call.path in finished or call.kind not in OWN:
                result = finished.get(call.path, json.dumps(ANSWERS.get(call.kind)))
                heard.outcomes[call.path] = result
                open_calls.discard(call.path)
                frame = pb.Answer(path=call.path, result_json=result)
            else:
                frame = pb.Answer(path=call.path, go=common.Nothing())
            async with turn:
                # A host that has said its last word is deaf; the reading loop judges that.
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await stream.write(pb.RunRequest(answer=frame))

        while (frame := await stream.read()) is not grpc.aio.EOF:
            kind = frame.WhichOneof("frame")
            if heard.end is not None:
                heard.wrong.append(f"{kind} after the end")
            elif kind == "call":
                call = frame.call
                if call.path in heard.calls:
                    heard.wrong.append(f"path {call.path} twice")
                heard.calls[call.path] = (call.kind, call.name, call.effect, call.input_json)
                open_calls.add(call.path)
                heard.most_open = max(heard.most_open, len(open_calls))
                if len(open_calls) > credit:
                    heard.wrong.append(f"{len(open_calls)} calls are open with a credit of {credit}")
                task = asyncio.create_task(answer(call))
                answering.add(task)
                task.add_done_callback(answering.discard)
            elif kind == "report":
                if frame.report.path not in open_calls:
                    heard.wrong.append(f"a report of {frame.report.path}, which is not open")
                open_calls.discard(frame.report.path)
                heard.ran += 1
                if frame.report.HasField("result_json"):
                    heard.outcomes[frame.report.path] = frame.report.result_json
                else:
                    heard.wrong.append(f"step {frame.report.path} failed: {frame.report.failure.message}")
            elif kind == "emit":
                heard.text += frame.emit
            elif kind in ("completed", "failed", "panicked"):
                heard.end = frame
            elif kind != "heartbeat":
                heard.wrong.append(f"a frame without content: {frame}")
        if await stream.code() != grpc.StatusCode.OK:
            heard.wrong.append(f"the stream ended with {await stream.code()}")

    async def refused(self, *frames):
        """The status that a stream with these frames ends with."""
        stream = self.stub.Run()
        try:
            for frame in frames:
                await stream.write(frame)
            await asyncio.wait_for(stream.read(), 10)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass
        return await stream.code()


async def judge(host):
    """Yields each promise and what is wrong with it: nothing, if it is kept."""
    stub = health_pb2_grpc.HealthStub(host.channel)
    for name in ("", SERVICE):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        serving = answer.status == health_pb2.HealthCheckResponse.SERVING
        yield f"its health says that {name or 'it'} is SERVING", "" if serving else str(answer)

    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    listed = reflection_pb2_grpc.ServerReflectionStub(host.channel).ServerReflectionInfo(iter([asked]), timeout=10)
    names = [service.name async for answer in listed for service in answer.list_services_response.service]
    yield "reflection lists the service", "" if SERVICE in names else f"{names}"

    cards = (await host.stub.Describe(pb.DescribeRequest(), timeout=10)).agents
    bad = [card.name for card in cards if not re.fullmatch("[A-Za-z0-9_-]{1,64}", card.name) or not card.version]
    yield "its agents have names and versions", f"{bad}" if bad else ""
    named = [card.name for card in cards]
    yield f"it offers {host.agent}", "" if named.count(host.agent) == 1 else f"it offers {named}"

    start = pb.Start(task_id="check.0", agent="nobody-of-that-name", attempt=1, input_json="1", credit=1, heartbeat_ms=1000)
    code = await host.refused(pb.RunRequest(start=start))
    yield "an agent that it has not is NOT_FOUND", "" if code == grpc.StatusCode.NOT_FOUND else f"{code}"
    code = await host.refused(pb.RunRequest(credit=pb.Credit(calls=1)))
    yield "a stream that does not start is INVALID_ARGUMENT", "" if code == grpc.StatusCode.INVALID_ARGUMENT else f"{code}"

    first = await host.run()
    yield "a run keeps the order of frames", "; ".join(first.wrong)
    completed = first.end is not None and first.end.HasField("completed")
    yield "and completes", "" if completed else f"it ended with {first.end}"
    bad = [path for path in first.calls if not re.fullmatch(r"\d+(\.\d+)*", path) or len(path) > 256]
    yield "paths are numbers joined by dots", f"{bad}" if bad else ""
    bad = [path for path, (kind, _, effect, _) in first.calls.items() if EFFECTS.get(kind, effect) != effect or not effect]
    yield "every kind of step has its effect", f"{bad}" if bad else ""
    bad = [text for *_, text in first.calls.values() if not is_json(text)]
    yield "inputs are JSON", f"{bad}" if bad else ""

    def differs(other):
        changed = [path for path in first.calls | other.calls if first.calls.get(path) != other.calls.get(path)]
        said = [f"{path}: {first.calls.get(path)} became {other.calls.get(path)}" for path in changed]
        if first.end != other.end or first.text != other.text:
            said.append(f"the end {first.end} became {other.end}")
        return "; ".join(other.wrong + said)

    replay = await host.run(finished=first.outcomes, attempt=2)
    yield "a replay asks for the same and ends the same", differs(replay)
    yield "and runs no finished step", f"{replay.ran} ran" if replay.ran else ""
    slow = await host.run(finished=first.outcomes, attempt=2, credit=1, pause=0.05)
    yield "with a credit of one it asks for one at a time", differs(slow)

    yield "it sends heartbeats while it waits", await heartbeats(host)
    yield "it ends the stream when it is cancelled", await cancelled(host)
    again = await host.run(finished=first.outcomes, attempt=3)
    yield "and is none the worse for it", differs(again)


async def heartbeats(host):
    """Leaves the run unanswered for five times the heartbeat."""
    stream = await host.open(heartbeat_ms=600)
    until = asyncio.get_running_loop().time() + 3
    try:
        while asyncio.get_running_loop().time() < until:
            frame = await asyncio.wait_for(stream.read(), 0.6)
            if frame is grpc.aio.EOF:
                return ""  # an agent that waits for nothing
        return ""
    except TimeoutError:
        return "silent for longer than heartbeat_ms"
    finally:
        stream.cancel()


async def cancelled(host):
    stream = await host.open()
    await stream.read()
    await stream.write(pb.RunRequest(cancel=pb.Cancel(reason="the judge has seen enough")))
    try:
        async with asyncio.timeout(5):
            while await stream.read() is not grpc.aio.EOF:
                pass
        return ""
    except grpc.aio.AioRpcError as error:
        return f"it ended with {error.code()}: {error.details()}"
    except TimeoutError:
        return "still there after 5 s"
    finally:
        stream.cancel()


def is_json(text):
    try:
        json.loads(text)
        return True
    except ValueError:
        return False


async def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    _, url, agent, input = sys.argv
    limits = [("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.enable_http_proxy", 0)]
    kept = broken = 0
    async with grpc.aio.insecure_channel(url.removeprefix("http://"), options=limits) as channel:
        async for promise, wrong in judge(Host(channel, agent, input)):
            print(f"broken: {promise}: {wrong}" if wrong else f"kept: {promise}", flush=True)
            kept, broken = kept + (not wrong), broken + bool(wrong)
    print(f"{kept} kept, {broken} broken")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    asyncio.run(main())
