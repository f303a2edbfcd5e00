// Serves agents to a supervisor: AgentService, health and reflection.

import { parseArgs } from "node:util";
import * as grpc from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import { Context } from "./context.js";
import type { Agent } from "./context.js";
import { MESSAGE_LIMIT, SERVICE, agentService, definition } from "./protocol.js";
import type { RunRequest, RunStream } from "./protocol.js";
import { Run } from "./run.js";
import { credentials, here } from "./tls.js";

const FIRST_FRAME = 10_000; // ms in which a stream has to start
const DRAIN = 10_000; // ms that runs get when the host ends
const GRACE = 2_000; // ms that the rest gets after that

/** The whole of `agent.proto`'s service. */
class AgentService {
  readonly #agents: Map<string, Agent>;
  readonly #runs = new Set<Promise<void>>();
  #draining = false;

  constructor(agents: Agent[]) {
    this.#agents = new Map(agents.map((agent) => [agent.name, agent]));
    if (this.#agents.size !== agents.length) throw new Error("two agents have one name");
  }

  implementation(): grpc.UntypedServiceImplementation {
    return {
      Describe: (_: grpc.ServerUnaryCall<object, object>, answer: grpc.sendUnaryData<object>) => {
        answer(null, { agents: [...this.#agents.values()].map(card) });
      },
      Run: (stream: RunStream) => this.#accept(stream),
    };
  }

  #accept(stream: RunStream): void {
    let refused = false;
    const refuse = (code: grpc.status, details: string) => {
      if (!refused) stream.emit("error", { code, details });
      refused = true;
    };
    const late = setTimeout(() => refuse(grpc.status.INVALID_ARGUMENT, "no start in time"), FIRST_FRAME);
    let run: Run | undefined;
    stream.on("data", (frame: RunRequest) => {
      if (run) return run.receive(frame);
      if (refused) return;
      clearTimeout(late);
      try {
        run = this.#begin(stream, frame);
      } catch (error) {
        if (error instanceof Refusal) refuse(error.code, error.message);
        else refuse(grpc.status.INVALID_ARGUMENT, `malformed start: ${String(error)}`);
      }
    });
    // The supervisor answers no further calls, or is gone: the run is over for both sides.
    for (const gone of ["end", "cancelled", "error"]) {
      stream.on(gone, () => {
        clearTimeout(late);
        if (run) run.cancel("the supervisor has ended the run");
        else if (gone === "end") refuse(grpc.status.INVALID_ARGUMENT, "the stream ended before its start");
      });
    }
  }

  #begin(stream: RunStream, frame: RunRequest): Run {
    if (frame.frame !== "start" || frame.start.credit < 1 || Number(frame.start.heartbeat_ms) < 1) {
      const what = "the first frame must be a start, with a credit and a heartbeat_ms";
      throw new Refusal(grpc.status.INVALID_ARGUMENT, what);
    }
    const agent = this.#agents.get(frame.start.agent);
    if (!agent) {
      const known = [...this.#agents.keys()].sort().join(", ");
      throw new Refusal(grpc.status.NOT_FOUND, `no agent ${frame.start.agent} here, which has: ${known}`);
    }
    if (this.#draining) throw new Refusal(grpc.status.UNAVAILABLE, "this host is shutting down");
    const run = new Run(frame.start, stream);
    const context = new Context(run, agent.tools ?? []);
    // Accepted: said at once, not with the first frame, which may take long.
    stream.sendMetadata(new grpc.Metadata());
    // The agent begins when that has left: it may block this thread from its first line.
    const begun = new Promise<void>((resolve) => setImmediate(resolve));
    const working = begun.then(() => run.work(async () => agent.run(context))).finally(() => this.#runs.delete(working));
    this.#runs.add(working);
    return run;
  }

  /** Refuses new runs, and gives the others time. */
  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.race([Promise.all(this.#runs), new Promise((over) => setTimeout(over, DRAIN).unref())]);
  }
}

class Refusal extends Error {
  constructor(
    readonly code: grpc.status,
    message: string,
  ) {
    super(message);
  }
}

function card(agent: Agent): object {
  const { name, version = "1.0.0", description, skills = [], inputSchema, outputSchema } = agent;
  const schema = (value?: object) => value && JSON.stringify(value);
  return {
    name,
    version,
    description,
    skills,
    input_schema_json: schema(inputSchema),
    output_schema_json: schema(outputSchema),
  };
}

/** Serves until Ctrl-C or SIGTERM, and prints where once it listens. */
export async function serve(agents: Agent[], address: string): Promise<void> {
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MESSAGE_LIMIT,
    "grpc.max_send_message_length": MESSAGE_LIMIT,
  });
  const service = new AgentService(agents);
  server.addService(agentService, service.implementation());
  const health = new HealthImplementation({ "": "SERVING", [SERVICE]: "SERVING" });
  health.addToServer(server);
  new ReflectionService(definition).addToServer(server);
  const tls = credentials();
  const port = await new Promise<number>((bound, failed) => {
    const shown = tls ?? grpc.ServerCredentials.createInsecure();
    server.bindAsync(tls ? address : here(address), shown, (error, port) => (error ? failed(error) : bound(port)));
  });
  console.log(`ready: ${tls ? "https" : "http"}://${address.slice(0, address.lastIndexOf(":"))}:${port}`);
  await new Promise<void>((stopped) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stopped());
  });
  for (const name of ["", SERVICE]) health.setStatus(name, "NOT_SERVING");
  await service.drain();
  setTimeout(() => server.forceShutdown(), GRACE).unref();
  await new Promise<void>((closed) => server.tryShutdown(() => closed()));
}

/** Runs a host as a program. */
export async function main(agents: Agent[]): Promise<void> {
  const { values } = parseArgs({ options: { listen: { type: "string", default: "127.0.0.1:7073" } } });
  await serve(agents, values.listen);
}
