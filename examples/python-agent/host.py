"""Serves agents to a supervisor: AgentService, health and reflection."""

import argparse
import asyncio
import signal
import sys

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from context import Context
import tls
from protocol import MESSAGE_LIMIT, SERVICE, pb, rpc
from run import Run

FIRST_FRAME = 10  # seconds in which a stream has to start
DRAIN = 10  # seconds that runs get when the host ends
GRACE = 2  # seconds in which a cancelled agent may clean up


class AgentService(rpc.AgentServiceServicer):
    """The whole of `agent.proto`'s service."""

    def __init__(self, agents):
        self._agents = {agent.name: agent for agent in agents}
        if len(self._agents) != len(agents):
            raise ValueError("two agents have one name")
        self._runs = set()
        self._draining = False

    async def Describe(self, request, context):
        return pb.DescribeResponse(agents=[agent.card() for agent in self._agents.values()])

    async def Run(self, requests, context):
        start = await self._start(requests, context)
        agent = self._agents.get(start.agent)
        if agent is None:
            known = ", ".join(sorted(self._agents))
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no agent {start.agent} here, which has: {known}")
        if self._draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this host is shutting down")
        run = Run(start)
        try:
            ctx = Context(run, {tool.name: tool for tool in agent.tools})
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"malformed start: {error}")
        # Accepted: said at once, not with the first frame, which may take long.
        await context.send_initial_metadata(())
        working = asyncio.create_task(run.work(agent, ctx))
        listening = asyncio.create_task(run.listen(requests))
        self._runs.add(working)
        working.add_done_callback(self._ended)
        try:
            async for frame in run.frames():
                await context.write(frame)
        finally:
            # Also when the stream is lost: this coroutine is cancelled then.
            run.cancel("the run is over")
            listening.cancel()

    async def _start(self, requests, context):
        try:
            frame = await asyncio.wait_for(anext(requests), FIRST_FRAME)
        except (TimeoutError, StopAsyncIteration):
            frame = pb.RunRequest()
        start = frame.start
        if not frame.HasField("start") or start.credit < 1 or start.heartbeat_ms < 1:
            what = "the first frame must be a start, with a credit and a heartbeat_ms"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, what)
        return start

    def _ended(self, working):
        self._runs.discard(working)
        if not working.cancelled() and working.exception():
            print(f"a run ended badly: {working.exception()!r}", file=sys.stderr)

    async def drain(self):
        """Refuses new runs, gives the others time, and lets go of the rest."""
        self._draining = True
        if self._runs:
            await asyncio.wait(self._runs, timeout=DRAIN)


async def serve(agents, address):
    """Serves until Ctrl-C or SIGTERM, and prints where once it listens."""
    limits = [("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.max_send_message_length", MESSAGE_LIMIT)]
    # An address that is taken is refused, not shared.
    credentials = tls.credentials()
    only_supervisors = [tls.OnlySupervisors()] if credentials else []
    server = grpc.aio.server(options=[*limits, ("grpc.so_reuseport", 0)], interceptors=only_supervisors)
    service = AgentService(agents)
    rpc.add_AgentServiceServicer_to_server(service, server)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    for name in ("", SERVICE):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    host, _, _ = address.rpartition(":")
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(tls.here(address))
    await server.start()
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    print(f"ready: {'https' if credentials else 'http'}://{host}:{port}", flush=True)
    await stop.wait()
    await checks.enter_graceful_shutdown()
    await service.drain()
    await server.stop(grace=GRACE)


def main(agents):
    """Runs a host as a program."""
    parser = argparse.ArgumentParser(description="Serves agents to a Greenroom supervisor.")
    parser.add_argument("--listen", default="127.0.0.1:7072", metavar="HOST:PORT", help="port 0 takes a free one")
    asyncio.run(serve(agents, parser.parse_args().listen))
