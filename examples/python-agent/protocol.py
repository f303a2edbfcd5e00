"""The contract's messages, made from the .proto files at start, and the JSON that they carry."""

import json
import os
import sys
from pathlib import Path

import grpc

# Where `greenroom/v1/agent.proto` is found: this repository's, unless the folder was copied elsewhere.
PROTO = Path(os.environ.get("GREENROOM_PROTO", Path(__file__).resolve().parents[2] / "proto"))
if not (PROTO / "greenroom/v1/agent.proto").is_file():
    sys.exit(f"no greenroom/v1/agent.proto in {PROTO}: set GREENROOM_PROTO to the folder that holds it")
sys.path.append(str(PROTO))

pb, rpc = grpc.protos_and_services("greenroom/v1/agent.proto")
common = grpc.protos("greenroom/v1/common.proto")

SERVICE = pb.DESCRIPTOR.services_by_name["AgentService"].full_name
MESSAGE_LIMIT = 16 * 1024 * 1024
PAYLOAD_LIMIT = 4 * 1024 * 1024


class AgentError(Exception):
    """A failure that is an answer: raised by an agent it fails the task, raised by a tool it fails the step.

    A failed step raises it in the agent, now and in every replay, with the code that it failed with.
    """

    def __init__(self, message, code="AGENT_FAILED", *, retryable=False, retry_after_ms=None):
        super().__init__(message)
        common.ErrorCode.Value(f"ERROR_CODE_{code}")  # or a ValueError
        self.message = message
        self.code = code
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms

    @classmethod
    def bad_input(cls, message):
        """The caller is wrong, and is told why."""
        return cls(message, "BAD_USER_INPUT")

    @classmethod
    def from_info(cls, info):
        # A code that was added after this file was read is a failure all the same.
        known = common.ErrorCode.values()
        name = common.ErrorCode.Name(info.code) if info.code in known else "ERROR_CODE_INTERNAL"
        after = info.retry_after_ms if info.HasField("retry_after_ms") else None
        return cls(info.message, name.removeprefix("ERROR_CODE_"), retryable=info.retryable, retry_after_ms=after)

    def to_info(self):
        return common.ErrorInfo(
            code=common.ErrorCode.Value(f"ERROR_CODE_{self.code}"),
            message=self.message,
            retryable=self.retryable,
            retry_after_ms=self.retry_after_ms,
        )


def canonical(value, what):
    """JSON whose members have one fixed order: a replay must ask for the same bytes."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError) as error:
        raise AgentError(f"{what} can't be written as JSON: {error}") from error
    if size > PAYLOAD_LIMIT:
        raise AgentError(f"{what} has {size} bytes; at most {PAYLOAD_LIMIT} can be kept", "LIMIT_EXCEEDED")
    return text
