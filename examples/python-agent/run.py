"""One run: the frames of one attempt at one task, seen from the agent's side."""

import asyncio
import json
import traceback

from protocol import PAYLOAD_LIMIT, AgentError, canonical, common, pb

# Pieces of text that may be unsent before `emit` waits.
UNSENT_TEXTS = 64


class Run:
    """The calls that are open, the credit for more, and what is still to be sent."""

    def __init__(self, start):
        self.start = start
        self.over = None  # why nothing more can be asked
        self._frames = asyncio.Queue()  # bounded by credit and UNSENT_TEXTS
        self._waiting = {}  # path -> the future of the supervisor's answer
        self._credit = asyncio.Semaphore(start.credit)
        self._texts = asyncio.Semaphore(UNSENT_TEXTS)
        self._tasks = set()  # every asyncio task that asked for something
        self._broken = None  # what a tool or effect broke down with

    # What the agent wants.

    async def ask(self, call, work=None):
        """Makes a call and gives its result. `work` is what a TOOL or EFFECT does once it may."""
        self._adopt()
        await self._credit.acquire()
        self._check()
        answer = self._waiting[call.path] = asyncio.get_running_loop().create_future()
        self._send(call=call)
        try:
            answer = await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.result().HasField("go"):
                self._gave_up(call.path)
            raise
        match answer.WhichOneof("answer"):
            case "result_json":
                return json.loads(answer.result_json)
            case "failure":
                raise AgentError.from_info(answer.failure)
        try:
            # No answer follows a report: the agent goes on with what it reported, as a replay will.
            result = canonical(await work(), "the step's result")
        except AgentError as error:
            self._report(call.path, failure=error.to_info())
            raise
        except Exception as error:
            # Nobody knows what was done, so nothing is reported: the supervisor decides by the step's effect.
            self._broken = self._broken or error
            self.over = self.over or AgentError("the agent broke down", "CANCELLED")
            raise
        self._report(call.path, result_json=result)
        return json.loads(result)

    async def emit(self, text):
        """More text for the caller; waits while much is unsent."""
        self._adopt()
        if len(text) > PAYLOAD_LIMIT:
            raise AgentError(f"the text has {len(text)} characters; at most {PAYLOAD_LIMIT} bytes fit", "LIMIT_EXCEEDED")
        await self._texts.acquire()
        self._check()
        self._send(emit=text)

    def _adopt(self):
        """Remembers who asks, so that it stops with the run."""
        self._check()
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _check(self):
        if self.over:
            raise AgentError(self.over.message, self.over.code)

    def _report(self, path, **outcome):
        if not self.over:
            self._send(report=pb.Report(path=path, **outcome))
        self._credit.release()

    def _gave_up(self, path):
        """A step that may go, but whose caller is gone, certainly did not happen."""
        error = AgentError("the agent gave the step up before it began", "CANCELLED")
        self._report(path, failure=error.to_info())

    def _send(self, **frame):
        self._frames.put_nowait(pb.RunResponse(**frame))

    # What the supervisor says.

    async def listen(self, requests):
        """Takes the supervisor's frames until it ends the run, which ends the agent."""
        reason = "the supervisor has ended the run"
        try:
            async for frame in requests:
                match frame.WhichOneof("frame"):
                    case "answer":
                        self._answered(frame.answer)
                    case "credit":
                        for _ in range(frame.credit.calls):
                            self._credit.release()
                    case "cancel":
                        reason = frame.cancel.reason
                        return
        finally:
            self.cancel(reason)

    def _answered(self, answer):
        waiting = self._waiting.pop(answer.path, None)
        if waiting is None:
            return
        goes = answer.WhichOneof("answer") == "go"
        if not goes:
            self._credit.release()
        if not waiting.done():
            waiting.set_result(answer)
        elif goes:
            self._gave_up(answer.path)

    def cancel(self, reason):
        """Stops the agent: it gets `asyncio.CancelledError` where it waits, and no further call is made."""
        self.over = self.over or AgentError(f"cancelled: {reason}", "CANCELLED")
        for task in list(self._tasks):
            task.cancel()

    # The run itself.

    async def work(self, agent, context):
        """Lets the agent work; its end becomes the run's last frame."""
        last = {}
        try:
            self._adopt()
            last = await self._outcome(agent, context)
        except AgentError:
            pass  # over before it began
        finally:
            # Branches that the agent left behind.
            for task in self._tasks - {asyncio.current_task()}:
                task.cancel()
            if last:
                self._send(**last)
            self._frames.put_nowait(None)

    async def _outcome(self, agent, context):
        try:
            last = _completed(await agent.run(context))
        except AgentError as error:
            last = self._failed(error)
        except ExceptionGroup as group:  # of an `asyncio.TaskGroup`
            errors, others = group.split(AgentError)
            last = {"panicked": _told(others)} if others else self._failed(_first(errors))
        except Exception as error:
            last = {"panicked": _told(error)}
        return {"panicked": _told(self._broken)} if self._broken else last

    def _failed(self, error):
        info = error.to_info()
        if error.code == "CANCELLED" and not self.over:
            # By that code a host would say that it leaves; this is some step's failure, passed on.
            info.code = common.ERROR_CODE_AGENT_FAILED
        return {"failed": info}

    async def frames(self):
        """What is sent, to its end. The heartbeat is made here, on the loop that the agent works on: an agent that
        blocks it is silent, as it should be."""
        period = self.start.heartbeat_ms / 3_000
        while True:
            try:
                frame = await asyncio.wait_for(self._frames.get(), period)
            except TimeoutError:
                frame = pb.RunResponse(heartbeat=common.Nothing())
            if frame is None:
                return
            if frame.HasField("emit"):
                self._texts.release()
            yield frame


def _completed(answer):
    content, data = answer if isinstance(answer, tuple) else (answer, None)
    if content is not None and not isinstance(content, str):
        raise TypeError(f"an agent returns text, or text and data, not {type(content).__name__}")
    data_json = None if data is None else canonical(data, "the answer's data")
    return {"completed": pb.Completed(content=content, data_json=data_json)}


def _first(group):
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _told(error):
    """What the caller is told of a breakdown; where it happened is for whoever runs the host."""
    traceback.print_exception(error)
    return "".join(traceback.format_exception_only(error)).strip()[:1_000]
