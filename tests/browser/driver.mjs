// A browser, what was heard from it, and the stage that the test's other half controls: this script writes a line to
// stdout, `kill` or `start`, and goes on when it reads one back.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";

export const [, , base, parts, shots] = process.argv;
const need = createRequire(join(parts, "browser", "node_modules", "/"));
const { chromium } = need("playwright-core");
const axe = readFileSync(need.resolve("axe-core/axe.min.js"), "utf8");

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };
export const SOON = 20_000;
/** What a browser says of a server that is gone, and nothing else. */
const GONE = /^(WebSocket connection to 'ws:\/\/[^']+' failed|Failed to load resource: net::ERR_(CONNECTION_\w+|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED|INCOMPLETE_CHUNKED_ENCODING)|(\S+ )?net::ERR_INCOMPLETE_CHUNKED_ENCODING)/;

export const browser = await chromium.launch({ executablePath: process.env.GREENROOM_CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });

const heard = [];
let isGone = false;

/** A page of its own profile. What it says is kept: none may complain, save of a server that was killed. */
export async function open(path = "", { viewport = DESKTOP, ...options } = {}) {
  const context = await browser.newContext({ viewport, colorScheme: "light", ...options });
  context.setDefaultTimeout(SOON);
  const page = await context.newPage();
  page.on("pageerror", (error) => heard.push(`${error.stack ?? error}`));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !(isGone && GONE.test(text))) heard.push(text);
  });
  await page.goto(`${base}/${path}`);
  return page;
}

export function check(holds, what, ...more) {
  if (!holds) throw new Error(`${what}${more.length ? `: ${more.map((each) => JSON.stringify(each, null, 1)).join(" ")}` : ""}`);
}

export function assertQuiet() {
  check(heard.length === 0, "the console is quiet", heard);
}

/** Waits until `look` gives something true. */
export async function until(what, look, within = SOON) {
  const end = Date.now() + within;
  for (;;) {
    const found = await look();
    if (found) return found;
    check(Date.now() < end, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function tell(word) {
  process.stdout.write(`${word}\n`);
  await lines.next();
}

/** SIGKILL of the server; until `start` the browser may complain that it is gone. */
export async function kill() {
  isGone = true;
  await tell("kill");
}

/** The server again, on the same port and store. */
export async function start() {
  await tell("start");
}

/** Connected again: from here on nothing may be complained of. */
export async function healed(page) {
  await page.waitForSelector('#link-state[data-state="open"]');
  await page.waitForSelector("#banner", { state: "hidden" });
  isGone = false;
}

/** The page's next call of this mutation reaches the server, but its answer is lost on the way. */
export async function loseAnswer(page, mutation) {
  let calls = 0;
  let isAnswered = false;
  await page.route("**/graphql", async (route) => {
    if (!route.request().postData()?.includes(mutation)) return route.continue();
    calls += 1;
    isGone = true;
    const response = await route.fetch();
    if (calls === 1) return route.abort("connectionreset");
    await route.fulfill({ response });
    isAnswered = true;
  });
  return async () => {
    await until(`${mutation} is called again`, () => isAnswered);
    await page.unroute("**/graphql");
    isGone = false;
  };
}

/** Asks the server itself. */
export async function ask(query, variables = {}) {
  const response = await fetch(`${base}/graphql`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  check(!errors, "the query is answered", errors);
  return data;
}

/** The messages of the journal, `[id, role, content]`, an answer behind what it answers, as a page shows them. */
export async function journal(page) {
  const id = await page.getAttribute(".room", "data-session");
  const query = "query($id: ID!) { getSession(id: $id) { messages(first: 100) { nodes { id taskId role content } } } }";
  const { getSession: session } = await ask(query, { id });
  const turns = new Map();
  for (const message of session.messages.nodes) turns.set(message.taskId, [...(turns.get(message.taskId) ?? []), message]);
  return [...turns.values()].flat().map(({ id, role, content }) => [id, role, content]);
}

/** The messages that the page shows, in its order. */
export const shown = (page) =>
  page.$$eval("[data-message]", (nodes) => nodes.map((node) => [node.dataset.message, node.dataset.role, node.textContent]));

/** Nothing serious or critical, by axe. */
export async function accessible(page, view) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  check(grave.length === 0, `${view} is accessible`, grave.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.slice(0, 4).map((node) => [node.html.slice(0, 160), node.any[0]?.message]) })));
}

/** Nothing sticks out to the side, save within what scrolls by itself. */
export async function narrow(page, view) {
  const out = await page.evaluate(() => {
    const scrolls = (node) => node.closest("pre, .table, .side:not(.open), .visually-hidden, .skip");
    const wide = [...document.querySelectorAll("body *")].filter((node) => {
      const box = node.getBoundingClientRect();
      return box.width > 0 && (box.right > innerWidth + 0.5 || box.left < -0.5) && !scrolls(node);
    });
    const scrolling = [document.scrollingElement, ...document.querySelectorAll(".scroll, .sessions")].filter((node) => node.scrollWidth > node.clientWidth);
    return [...wide, ...scrolling].slice(0, 5).map((node) => node.outerHTML.slice(0, 120));
  });
  check(out.length === 0, `${view} fits ${PHONE.width} px`, out);
}

/** A picture for people, when they ask for pictures. */
export async function picture(page, name) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`) });
}

export async function say(page, text, { agent } = {}) {
  if (agent) {
    await page.waitForSelector(`#agent option[value="${agent}"]`, { state: "attached" });
    await page.selectOption("#agent", agent);
  }
  await page.fill("#composer", text);
  await page.press("#composer", "Enter");
}

/** The last turn, once it stands so. */
export const turn = (page, status) => page.waitForSelector(`.turn:last-child[data-status="${status}"]`);

export async function run(scenario) {
  try {
    await scenario();
    assertQuiet();
    process.stdout.write("done\n");
  } catch (error) {
    for (const context of browser.contexts()) {
      for (const page of context.pages()) {
        await picture(page, "failed");
        console.error(`${page.url()}\n${await page.evaluate(() => document.body.innerText).catch(() => "")}`);
      }
    }
    console.error(error.stack, heard);
    process.exitCode = 1;
  }
  await browser.close();
  process.stdin.destroy();
}
