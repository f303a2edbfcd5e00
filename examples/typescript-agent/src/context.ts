// What an agent's author sees: agents, tools, and the context, an agent's only way to effects.

import { createHash } from "node:crypto";
import { AgentError, READ_ONLY, IDEMPOTENT, canonical } from "./protocol.js";
import type { Effect } from "./protocol.js";
import type { Result, Run } from "./run.js";

/** What a tool is told besides its arguments. */
export interface ToolCall {
  /** By which the world outside knows this call again: the same in every attempt. */
  key: string;
  /** Aborted when nobody waits for it any more. */
  signal: AbortSignal;
}

/** Something that an agent's host can do, for the agent itself or because a model asks for it. */
export interface Tool {
  name: string;
  description: string;
  effect: Effect;
  parameters: object;
  work(args: any, call: ToolCall): Promise<unknown>;
}

/** A named capability. `run` follows the one rule that the README gives. */
export interface Agent {
  name: string;
  version?: string;
  description: string;
  skills?: string[];
  inputSchema?: object;
  outputSchema?: object;
  tools?: Tool[];
  run(ctx: Context): Promise<Result>;
}

export interface Message {
  role: string;
  content: string;
  tool_calls?: { id: string; name: string; arguments: string }[];
  tool_call_id?: string;
}

export interface ModelAnswer {
  content: string;
  tool_calls?: { id: string; name: string; arguments: string }[];
  finish: string;
  provider: string;
  model: string;
}

export interface Approval {
  approved: boolean;
  value?: unknown;
  note?: string;
  timedOut?: boolean;
}

interface Wish {
  kind: string;
  name?: string | undefined;
  effect: Effect;
  request: unknown;
  visible?: boolean;
  work?: (path: string) => Promise<unknown>;
}

/**
 * An attempt's way to models, tools, other agents, time and people.
 *
 * A call takes its place in the program **when it is made, not when it is awaited**: `Promise.all([ctx.tool(…),
 * ctx.tool(…)])` is fine. Branches that make calls while others do need a `scope()` each, taken before they part.
 */
export class Context {
  readonly taskId: string;
  readonly attempt: number;
  readonly principal;
  readonly input: any;
  readonly history: Message[];
  readonly deadlineMs: number | undefined;
  readonly acceptedAtMs: number;
  /** To be passed on to what an effect calls. */
  readonly traceparent: string | undefined;
  readonly #run: Run;
  readonly #tools: Tool[];
  readonly #prefix: string;
  #next = 0;
  #draws = 0;

  constructor(run: Run, tools: Tool[], prefix = "") {
    const start = run.start;
    this.taskId = start.task_id;
    this.attempt = start.attempt;
    this.principal = start.principal;
    this.input = JSON.parse(start.input_json);
    this.history = start.history.map(({ role, content }) => ({
      role: role.replace(/^ROLE_/, "").toLowerCase(),
      content,
    }));
    this.deadlineMs = start.deadline_ms == null ? undefined : Number(start.deadline_ms);
    this.acceptedAtMs = Number(start.accepted_at_ms);
    this.traceparent = start.traceparent;
    this.#run = run;
    this.#tools = tools;
    this.#prefix = prefix;
  }

  /** The input as a turn of a conversation. */
  text(): string {
    const content: unknown = this.input?.content ?? this.input;
    if (typeof content === "string") return content;
    throw AgentError.badInput('the input must be text or {"content": "…"}');
  }

  /**
   * Calls a model. `visible` shows the caller its text as it comes. `options` are those of the contract:
   * `max_tokens`, `temperature`, `tools`, …
   */
  model(messages: Message[], { visible = false, ...options }: { visible?: boolean; [option: string]: unknown } = {}): Promise<ModelAnswer> {
    const asked = this.#run.start.model;
    const request = { ...(asked == null ? {} : { model: asked }), messages, ...options };
    const name = (request as { model?: string }).model;
    return this.#call({ kind: "STEP_KIND_MODEL", name, effect: READ_ONLY, request, visible });
  }

  /** The agent's tools, as `model` is given them. */
  tools(): object[] {
    return this.#tools.map(({ name, description, parameters }) => ({ name, description, parameters }));
  }

  /** Uses a tool of this agent. */
  tool(name: string, args: unknown): Promise<any> {
    const tool = this.#tools.find((tool) => tool.name === name);
    if (!tool) {
      this.#place(); // what follows must not move when the tool is added
      return fails(new AgentError(`no tool named "${name}" here`, "NOT_FOUND"));
    }
    const work = (path: string) => tool.work(args, { key: `${this.taskId}/${path}`, signal: this.signal });
    return this.#call({ kind: "STEP_KIND_TOOL", name, effect: tool.effect, request: args, work });
  }

  /** Does something of the agent's own: `await work()`, unless an earlier attempt finished it. */
  effect<T>(name: string, effect: Effect, work: () => Promise<T>): Promise<T> {
    return this.#call({ kind: "STEP_KIND_EFFECT", name, effect, request: null, work });
  }

  /** Hands a task to another agent and waits for its answer. */
  agent(name: string, input: unknown): Promise<{ content?: string; data?: any }> {
    return this.#call({ kind: "STEP_KIND_AGENT", name, effect: IDEMPOTENT, request: input });
  }

  /** Waits, over restarts too: what has passed isn't waited for twice. */
  sleep(ms: number): Promise<void> {
    return this.#call({ kind: "STEP_KIND_TIMER", effect: READ_ONLY, request: { ms: Math.round(ms) } });
  }

  /**
   * Asks a person. The attempt usually ends here, and the next one goes on from the answer. None within that many
   * milliseconds is a refusal.
   */
  approval(prompt: unknown, withinMs?: number): Promise<Approval> {
    const request = withinMs === undefined ? { prompt } : { prompt, timeoutMs: Math.round(withinMs) };
    return this.#call({ kind: "STEP_KIND_APPROVAL", effect: IDEMPOTENT, request });
  }

  /** The time, the same in every attempt. */
  nowMs(): Promise<number> {
    return this.effect("now", READ_ONLY, async () => Date.now());
  }

  /** A number from 0 to 1 (exclusive): the same in every attempt, another in every scope. */
  random(): number {
    const place = `${this.#run.start.seed}/${this.#prefix}/${this.#draws++}`;
    return createHash("sha256").update(place).digest().readUInt32BE(0) / 2 ** 32;
  }

  /** Shows the caller more text. Not a step: a replay shows it again. */
  emit(text: string): Promise<void> {
    return this.#run.emit(text);
  }

  /** A key by which the world outside knows an effect again: the same in every attempt. */
  key(name: string): string {
    return `${this.taskId}/${name}`;
  }

  /** Aborted when nobody waits for this attempt any more: pass it to what takes one. */
  get signal(): AbortSignal {
    return this.#run.signal;
  }

  /** A context for a concurrent branch: it takes one place here and counts from 0 inside. */
  scope(): Context {
    return new Context(this.#run, this.#tools, `${this.#place()}.`);
  }

  #place(): string {
    return `${this.#prefix}${this.#next++}`;
  }

  #call({ kind, name, effect, request, visible = false, work }: Wish): Promise<any> {
    const path = this.#place();
    try {
      const input_json = canonical(request, "what is asked for");
      return this.#run.ask({ path, kind, name, effect, input_json, visible }, work && (() => work(path)));
    } catch (error) {
      return fails(error);
    }
  }
}

function fails(error: unknown): Promise<never> {
  const failed = Promise.reject(error);
  failed.catch(() => {}); // as any call that the agent doesn't wait for
  return failed;
}
