// Clients and an audit that others wrote, against the gateway at the URL given. Prints what failed and exits 1.
import { createRequire } from "node:module";
import path from "node:path";

const [, , url, packages] = process.argv;
const require = createRequire(path.join(packages, "package.json"));
const { serverAudits } = require("graphql-http");
const { createClient: createWsClient } = require("graphql-ws");
const { createClient: createSseClient } = require("graphql-sse");
const WebSocket = require("ws");
const { buildClientSchema, getIntrospectionQuery, validateSchema } = require("graphql");

const failures = [];
const check = (name, fine, detail) => {
  if (!fine) failures.push(`${name}: ${JSON.stringify(detail)}`);
};

const post = async (query, variables) => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
};

let audits = 0;
for (const audit of serverAudits({ url, fetchFn: fetch })) {
  const result = await audit.fn();
  audits += 1;
  if (result.status !== "ok") failures.push(`${result.id} ${result.name}: ${result.status}: ${result.reason}`);
}
check("audits", audits > 50, audits);

const { data } = await post(getIntrospectionQuery({ specifiedByUrl: true, inputValueDeprecation: true, schemaDescription: true }));
const problems = data ? validateSchema(buildClientSchema(data)) : ["no introspection"];
check("schema", problems.length === 0, problems.map(String));

await post('mutation { createSession(id: "third") { id } }');
await post('mutation { sendChat(input: { sessionId: "third", content: "hi" }) { cursor } }');
const kinds = ["MESSAGE", "DELTA", "DELTA", "STEP", "MESSAGE", "COMPLETED"];
const subscription = { query: 'subscription { onChat(sessionId: "third", after: "0") { kind cursor } }' };

const collect = (client, payload, count) =>
  new Promise((resolve, reject) => {
    const results = [];
    const stop = client.subscribe(payload, {
      next: (result) => {
        results.push(result);
        if (results.length === count) {
          stop();
          resolve(results);
        }
      },
      error: reject,
      complete: () => resolve(results),
    });
  });
const events = async (name, client) => {
  const results = await collect(client, subscription, kinds.length);
  check(name, JSON.stringify(results.map((result) => result.data?.onChat.kind)) === JSON.stringify(kinds), results);
  const [single, ...rest] = await collect(client, { query: "mutation { createSession { id } }" }, Infinity);
  check(`${name} mutation`, single?.data?.createSession?.id && rest.length === 0, single);
  const ended = await collect(client, { query: "subscription { onAgentStatus { name } }" }, Infinity);
  check(`${name} ends`, ended.length === 2, ended);
};

const ws = createWsClient({ url: url.replace(/^http/, "ws"), webSocketImpl: WebSocket, lazy: false, retryAttempts: 0 });
await events("graphql-ws", ws);
try {
  await collect(ws, { query: "{ nope }" }, Infinity);
  check("graphql-ws refusal", false, "no error");
} catch (errors) {
  check("graphql-ws refusal", errors[0]?.extensions?.code === "BAD_USER_INPUT", errors);
}
await ws.dispose();

await events("graphql-sse", createSseClient({ url, retryAttempts: 0 }));

for (const failure of failures) console.error(failure);
console.log(`${audits} audits, ${failures.length} failures`);
process.exit(failures.length ? 1 : 0);
