// One run: the frames of one attempt at one task, seen from the agent's side.

import { AgentError, canonical, fits } from "./protocol.js";
import type { Answer, Call, RunRequest, RunResponse, RunStream, Start } from "./protocol.js";

/** How long a cancelled agent may clean up, in ms. */
const GRACE = 2_000;

/** What an agent answers: text, or text and data. */
export type Result = string | { content?: string; data?: unknown };

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: AgentError): void;
}

/** The calls that are open, and the credit for more. */
export class Run {
  readonly #stop = new AbortController();
  readonly #waiting = new Map<string, Waiting<Answer>>();
  readonly #queue: Waiting<void>[] = []; // calls without credit, first come first
  #credit: number;
  #over: AgentError | undefined; // why nothing more can be asked
  #broken: { error: unknown } | undefined; // what a tool or effect broke down with
  #beat: NodeJS.Timeout | undefined;

  constructor(
    readonly start: Start,
    readonly stream: RunStream,
  ) {
    this.#credit = start.credit;
  }

  /** Aborted when nobody waits for this attempt any more. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  // What the agent wants.

  /** Makes a call and gives its result. `work` is what a TOOL or EFFECT does once it may. */
  ask(call: Call, work?: () => Promise<unknown>): Promise<any> {
    const asked = this.#ask(call, work);
    // A call that the agent doesn't wait for ends no process.
    asked.catch(() => {});
    return asked;
  }

  async #ask(call: Call, work?: () => Promise<unknown>): Promise<unknown> {
    this.#check();
    await this.#takeCredit();
    this.#check();
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(call.path, { resolve, reject });
      this.#send({ call });
    });
    if (answer.answer === "result_json") return JSON.parse(answer.result_json);
    if (answer.answer === "failure") throw AgentError.fromInfo(answer.failure);
    this.#check(); // over since then: it certainly did not happen
    let result: string;
    try {
      // No answer follows a report: the agent goes on with what it reported, as a replay will.
      result = canonical(await work?.(), "the step's result");
    } catch (error) {
      if (error instanceof AgentError) {
        this.#report({ path: call.path, failure: error.toInfo() });
      } else {
        // Nobody knows what was done, so nothing is reported: the supervisor decides by the step's effect.
        this.#broken ??= { error };
        this.#over ??= new AgentError("the agent broke down", "CANCELLED");
      }
      throw error;
    }
    this.#report({ path: call.path, result_json: result });
    return JSON.parse(result);
  }

  /** More text for the caller; waits while much is unsent. */
  async emit(text: string): Promise<void> {
    this.#check();
    if (this.#send({ emit: fits(text, "the emitted text") })) return;
    await new Promise<void>((resolve) => {
      this.stream.once("drain", resolve);
      this.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #check(): void {
    if (this.#over) throw new AgentError(this.#over.message, this.#over.code);
  }

  #takeCredit(): Promise<void> {
    if (this.#credit > 0) {
      this.#credit -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => this.#queue.push({ resolve, reject }));
  }

  #giveCredit(calls: number): void {
    for (; calls > 0; calls -= 1) {
      const next = this.#queue.shift();
      if (next) next.resolve();
      else this.#credit += 1;
    }
  }

  #report(report: Extract<RunResponse, { report: unknown }>["report"]): void {
    if (!this.#over) this.#send({ report });
    this.#giveCredit(1);
  }

  /** Sends a frame. False when much is unsent. */
  #send(frame: RunResponse): boolean {
    this.#beat?.refresh();
    return this.stream.writable && this.stream.write(frame);
  }

  // What the supervisor says.

  receive(frame: RunRequest): void {
    if (frame.frame === "answer") this.#answered(frame.answer);
    else if (frame.frame === "credit") this.#giveCredit(frame.credit.calls);
    else if (frame.frame === "cancel") this.cancel(frame.cancel.reason);
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.path);
    this.#waiting.delete(answer.path);
    if (!waiting) return;
    if (answer.answer !== "go") this.#giveCredit(1);
    waiting.resolve(answer);
  }

  /** Stops the agent: its signal is aborted, and every call that is open or made later fails as CANCELLED. */
  cancel(reason: string): void {
    this.#end(`cancelled: ${reason}`);
    setTimeout(() => this.stream.end(), GRACE).unref();
  }

  #end(why: string): void {
    clearInterval(this.#beat);
    const over = (this.#over ??= new AgentError(why, "CANCELLED"));
    this.#stop.abort(over);
    for (const call of [...this.#waiting.values(), ...this.#queue.splice(0)]) call.reject(over);
    this.#waiting.clear();
  }

  // The run itself.

  /** Lets the agent work; its end becomes the run's last frame. */
  async work(agent: () => Promise<Result>): Promise<void> {
    if (this.signal.aborted) return void this.stream.end();
    // The heartbeat is made here, on the loop that the agent works on: one that blocks it is silent, as it should be.
    this.#beat = setInterval(() => this.#send({ heartbeat: {} }), Number(this.start.heartbeat_ms) / 3);
    const last = await this.#outcome(agent);
    const wanted = !this.signal.aborted;
    this.#end("the run is over"); // for branches that the agent left behind
    if (wanted) this.#send(last);
    this.stream.end();
  }

  async #outcome(agent: () => Promise<Result>): Promise<RunResponse> {
    let error: unknown;
    try {
      const last = completed(await agent());
      if (!this.#broken) return last;
    } catch (thrown) {
      if (thrown instanceof AgentError && !this.#broken) return this.#failed(thrown);
      error = thrown;
    }
    // Once cancelled, it may end by whatever the abort threw: nobody is told.
    return { panicked: this.signal.aborted ? "" : told(this.#broken ? this.#broken.error : error) };
  }

  #failed(error: AgentError): RunResponse {
    // By CANCELLED a host would say that it leaves; this is some step's failure, passed on.
    const passedOn = error.code === "CANCELLED" && !this.#over;
    return { failed: { ...error.toInfo(), ...(passedOn ? { code: "ERROR_CODE_AGENT_FAILED" } : {}) } };
  }
}

function completed(result: Result): RunResponse {
  const { content, data } = typeof result === "string" ? { content: result, data: undefined } : result;
  return { completed: { content, data_json: data === undefined ? undefined : canonical(data, "the answer's data") } };
}

/** What the caller is told of a breakdown; where it happened is for whoever runs the host. */
function told(error: unknown): string {
  console.error(error);
  return String(error).slice(0, 1_000);
}
