// Answers and timers that come late, from a server that is played here: none leaves a view behind what happened.

import { base, browser, check, run, until } from "./driver.mjs";

const AT = "2026-01-01T00:00:00.000Z";
const NONE = { hasNextPage: false, endCursor: null };

/** A page whose calls `answer(query)` answers, when it gives something, and whose subscriptions `stage` holds. */
async function played(path, answer) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const stage = { page, isSilent: false, sockets: 0, events: null };
  await page.clock.install();
  await page.route("**/graphql", async (route) => {
    const { query } = JSON.parse(route.request().postData());
    const data = await answer(query);
    await (data ? route.fulfill({ json: { data } }) : route.continue());
  });
  await page.routeWebSocket("**/graphql", (socket) => {
    stage.sockets += 1;
    socket.onMessage((text) => {
      const { type, id, payload } = JSON.parse(text);
      if (type === "connection_init") socket.send('{"type":"connection_ack"}');
      if (type === "ping" && !stage.isSilent) socket.send('{"type":"pong"}');
      if (type === "subscribe" && payload.query.includes("onTask")) stage.events = (event) => socket.send(JSON.stringify({ type: "next", id, payload: { data: { onTask: event } } }));
    });
  });
  await page.goto(`${base}/${path}`);
  await page.waitForSelector('#link-state[data-state="open"]');
  return stage;
}

const task = (status, more) => ({ id: "t", sessionId: "s", agent: "asker", status, createdAt: AT, updatedAt: AT, error: null, response: null, input: "hello", cursor: "1", deadline: null, children: { nodes: [] }, ...more });
const step = (seq, status, prompt) => ({ seq, attempt: 1, kind: "APPROVAL", name: null, effect: null, status, startedAt: AT, finishedAt: null, prompt, usage: null, error: null });
const steps = (...nodes) => ({ getTask: { id: "t", agent: "asker", status: "WAITING", steps: { nodes, pageInfo: NONE } } });

/** A task ends while it is read: the older answer comes last. */
async function ends() {
  let reads = 0;
  let isHeld = false;
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const stage = await played("#/tasks", async (query) => {
    if (query.includes("steps(first")) return steps(step(0, "DONE"));
    if (query.includes("getSession(id: $id) { id }")) return { getSession: null };
    if (!query.includes("getTask")) return null;
    reads += 1;
    if (reads === 1) return { getTask: task("RUNNING") };
    if (reads > 2) return { getTask: task("COMPLETED", { response: { content: "the whole answer", latencyMs: 5, attempts: 1 } }) };
    isHeld = true;
    await held;
    return { getTask: task("RUNNING") };
  });
  const { page } = stage;
  await page.evaluate(() => (location.hash = "#/task/t"));
  await until("it is followed", () => stage.events);
  stage.events({ cursor: "2", kind: "STEP", taskId: "t", attempt: 1, step: step(0, "DONE") });
  await until("it is read again", () => isHeld);
  stage.events({ cursor: "3", kind: "COMPLETED", taskId: "t", attempt: 1, task: { id: "t", status: "COMPLETED" } });
  await page.waitForSelector('.task-head .chip[data-status="COMPLETED"]');
  release();
  await page.waitForSelector(".task:has-text('the whole answer')");
  check(await page.isVisible('.task-head .chip[data-status="COMPLETED"]'), "its end stays");
  await page.context().close();
}

/** A task asks a second time: the second question is the one that is shown. */
async function asksAgain() {
  let asked = [step(0, "WAITING", "the first question")];
  let updatedAt = AT;
  const { page } = await played("#/waiting", (query) => {
    if (query.includes("steps(first")) return steps(...asked);
    if (query.includes("waiting: listTasks")) return { waiting: { nodes: [task("WAITING", { updatedAt })] }, unknown: { nodes: [] } };
    return null;
  });
  await page.waitForSelector(".card .decision:has-text('the first question')");
  await page.fill(".card .decision input", "half a note");
  updatedAt = "2026-01-01T00:00:01.000Z";
  asked = [...asked, step(1, "WAITING", "one beside it")];
  await page.clock.runFor(6_000);
  await page.waitForSelector(".card .decision:has-text('one beside it')");
  check((await page.inputValue(".card .decision input >> nth=0")) === "half a note", "a form stays with its question");
  updatedAt = "2026-01-01T00:00:02.000Z";
  asked = [step(0, "DONE"), step(1, "DONE"), step(2, "WAITING", "the second question")];
  await page.clock.runFor(6_000);
  await page.waitForSelector(".card .decision:has-text('the second question')");
  check((await page.locator(".card .decision").count()) === 1, "what was answered is gone");
  await page.context().close();
}

/** Steps that could not be read are read when they are opened again. */
async function readsAgain() {
  let isRefused = true;
  const message = { id: "m", taskId: "t", role: "USER", content: "hello", agent: null, createdAt: AT, metadata: null, usage: null };
  const { page } = await played("#/chat/s", (query) => {
    if (query.includes("steps(first")) return isRefused ? { getTask: { steps: null } } : steps(step(0, "DONE"));
    if (query.includes("messages(last")) return { getSession: { id: "s", title: "hello", cursor: "1", messages: { nodes: [message], pageInfo: { hasPreviousPage: false, startCursor: null } } } };
    if (query.includes("listTasks(sessionId")) return { listTasks: { nodes: [task("COMPLETED")], pageInfo: NONE } };
    return null;
  });
  const summary = page.locator(".turn:last-child .took summary");
  await summary.click();
  await page.waitForSelector(".toast.bad");
  isRefused = false;
  await summary.click();
  await summary.click();
  await page.waitForSelector(".turn:last-child .step");
  await page.context().close();
}

/** Timers that come once a minute say nothing about the connection; a silence that was asked into does. */
async function sleeps() {
  const stage = await played("", () => null);
  for (let minute = 0; minute < 3; minute += 1) await stage.page.clock.fastForward(60_000);
  check(stage.sockets === 1, "a page that slept stays connected", stage.sockets);
  stage.isSilent = true;
  await stage.page.clock.runFor(60_000);
  check(stage.sockets > 1, "a silent connection is given up", stage.sockets);
  await stage.page.context().close();
}

await run(async () => {
  await ends();
  await asksAgain();
  await readsAgain();
  await sleeps();
});
