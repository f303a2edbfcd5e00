// The contract's messages, read from the .proto files at start, and the JSON that they carry.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

// Where `greenroom/v1/agent.proto` is found: this repository's, unless the folder was copied elsewhere.
const PROTO = process.env["GREENROOM_PROTO"] ?? fileURLToPath(new URL("../../../proto", import.meta.url));
if (!existsSync(`${PROTO}/greenroom/v1/agent.proto`)) {
  console.error(`no greenroom/v1/agent.proto in ${PROTO}: set GREENROOM_PROTO to the folder that holds it`);
  process.exit(1);
}

export const SERVICE = "greenroom.v1.AgentService";
export const MESSAGE_LIMIT = 16 * 1024 * 1024;
export const PAYLOAD_LIMIT = 4 * 1024 * 1024;

export const definition = loadSync("greenroom/v1/agent.proto", {
  includeDirs: [PROTO],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});
export const agentService = definition[SERVICE] as grpc.ServiceDefinition;

// The shapes that the loader makes of the contract's messages, as far as they are used here.

export interface Start {
  task_id: string;
  agent: string;
  attempt: number;
  principal: { tenant: string; subject: string; scopes: string[]; tier: string } | null;
  input_json: string;
  history: { role: string; content: string }[];
  model?: string;
  deadline_ms?: string;
  accepted_at_ms: string;
  seed: string;
  credit: number;
  heartbeat_ms: string;
  traceparent?: string;
}

export interface ErrorInfo {
  code: string;
  message: string;
  retryable: boolean;
  retry_after_ms?: string | number;
}

export type Answer = { path: string } & (
  | { answer: "go" }
  | { answer: "result_json"; result_json: string }
  | { answer: "failure"; failure: ErrorInfo }
);

export type RunRequest =
  | { frame: "start"; start: Start }
  | { frame: "answer"; answer: Answer }
  | { frame: "credit"; credit: { calls: number } }
  | { frame: "cancel"; cancel: { reason: string } };

export interface Call {
  path: string;
  kind: string;
  name?: string | undefined;
  effect: Effect;
  input_json: string;
  visible: boolean;
}

export type RunResponse =
  | { call: Call }
  | { report: { path: string; result_json: string } | { path: string; failure: ErrorInfo } }
  | { emit: string }
  | { heartbeat: object }
  | { completed: { content?: string | undefined; data_json?: string | undefined } }
  | { failed: ErrorInfo }
  | { panicked: string };

export type RunStream = grpc.ServerDuplexStream<RunRequest, RunResponse>;

// What repeating a step does: nothing; nothing more, for it carries a key; it happens again.
export type Effect = "EFFECT_READ_ONLY" | "EFFECT_IDEMPOTENT" | "EFFECT_NON_IDEMPOTENT";
export const READ_ONLY: Effect = "EFFECT_READ_ONLY";
export const IDEMPOTENT: Effect = "EFFECT_IDEMPOTENT";
export const NON_IDEMPOTENT: Effect = "EFFECT_NON_IDEMPOTENT";

/** What a caller branches on: `ErrorCode` of common.proto. */
export type ErrorCode =
  | "UNAUTHENTICATED"
  | "FORBIDDEN"
  | "NOT_FOUND"
  | "BAD_USER_INPUT"
  | "CONFLICT"
  | "RESOURCE_EXHAUSTED"
  | "LIMIT_EXCEEDED"
  | "DEADLINE_EXCEEDED"
  | "UNAVAILABLE"
  | "AGENT_FAILED"
  | "PROVIDER_FAILED"
  | "CANCELLED"
  | "OUTCOME_UNKNOWN"
  | "NON_DETERMINISTIC"
  | "INTERNAL";

/**
 * A failure that is an answer: thrown by an agent it fails the task, thrown by a tool it fails the step. A failed
 * step throws it in the agent, now and in every replay, with the code that it failed with.
 */
export class AgentError extends Error {
  constructor(
    message: string,
    readonly code: ErrorCode = "AGENT_FAILED",
    readonly retryable = false,
    readonly retryAfterMs?: number,
  ) {
    super(message);
    this.name = "AgentError";
  }

  /** The caller is wrong, and is told why. */
  static badInput(message: string): AgentError {
    return new AgentError(message, "BAD_USER_INPUT");
  }

  static fromInfo(info: ErrorInfo): AgentError {
    // A code that was added after this file was read comes as its number.
    const code = typeof info.code === "string" ? info.code.replace(/^ERROR_CODE_/, "") : "INTERNAL";
    const after = info.retry_after_ms == null ? undefined : Number(info.retry_after_ms);
    return new AgentError(info.message, code as ErrorCode, info.retryable, after);
  }

  toInfo(): ErrorInfo {
    const { code, message, retryable, retryAfterMs } = this;
    const after = retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs };
    return { code: `ERROR_CODE_${code}`, message, retryable, ...after };
  }
}

/** JSON whose members have one fixed order: a replay must ask for the same bytes. */
export function canonical(value: unknown, what: string): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value ?? null, sorted);
  } catch (error) {
    throw new AgentError(`${what} can't be written as JSON: ${String(error)}`);
  }
  if (text === undefined) throw new AgentError(`${what} can't be written as JSON`);
  return fits(text, what);
}

function sorted(_: string, value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function fits(text: string, what: string): string {
  const size = Buffer.byteLength(text);
  if (size <= PAYLOAD_LIMIT) return text;
  throw new AgentError(`${what} has ${size} bytes; at most ${PAYLOAD_LIMIT} can be kept`, "LIMIT_EXCEEDED");
}
