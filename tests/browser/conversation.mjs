// A chat by mouse: it streams, is stopped, tried again, and asks for an approval.

import { ask, check, journal, loseAnswer, open, run, say, shown, turn, until } from "./driver.mjs";

const HOSTILE = "<img src=x onerror=alert(1)> <script>alert(2)</script> [x](javascript:alert(3)) & <b>bold</b>";

await run(async () => {
  const page = await open();
  await page.evaluate(() => {
    globalThis.lengths = new Set();
    const look = () => lengths.add(document.querySelector(".turn:last-child .live:not([hidden])")?.textContent.length ?? 0);
    new MutationObserver(look).observe(document.querySelector(".turns"), { childList: true, subtree: true, characterData: true });
  });
  await say(page, "Tell me about actors, slowly please");
  await turn(page, "COMPLETED");
  check((await page.evaluate(() => lengths.size)) > 4, "its text came bit by bit", await page.evaluate(() => [...lengths]));
  check((await page.textContent(".turn:last-child .took summary")).includes("10 → 7 tokens"), "it says what it took");
  await page.click(".turn:last-child .took summary");
  const live = page.locator(".turn:last-child .live");
  const step = await page.textContent(".turn:last-child .step");
  check(/model.*done.*m?s/.test(step), "the steps are told", step);
  check(JSON.stringify(await shown(page)) === JSON.stringify(await journal(page)), "the page shows the journal");

  // What a model or a person writes is text.
  await say(page, HOSTILE);
  await turn(page, "COMPLETED");
  check((await page.textContent(".turn:last-child .bubble")) === HOSTILE, "a message is shown as it was written");
  check((await page.textContent(".turn:last-child .replies")).includes("<img src=x onerror=alert(1)>"), "an answer is text");
  check((await page.$$("main img, main script, main b:not(.who b), main a[href^=javascript]")).length === 0, "nothing in it became an element");

  // Stopped in the middle, and tried again.
  await say(page, "A very long story about a theatre that never closes its doors");
  await until("it writes", () => live.isVisible());
  await page.click("#stop");
  await turn(page, "CANCELLED");
  check(await page.isHidden("#stop"), "there is nothing to stop any more");
  const before = await page.locator(".turn").count();
  await page.click('.turn:last-child [aria-label="Try this turn again"]');
  await until("a turn more is there", async () => (await page.locator(".turn").count()) === before + 1);
  await turn(page, "COMPLETED");

  // What failed says why, and how to go on.
  await say(page, "fail please", { agent: "moody" });
  await turn(page, "FAILED");
  const trouble = await page.textContent(".turn:last-child .trouble");
  check(trouble.includes("As told.") && trouble.includes("Try again"), "a failure says why", trouble);

  // An approval is given in the conversation, with a note.
  await say(page, "paint the door", { agent: "asker" });
  const asked = page.locator(".turn:last-child .decision");
  await asked.waitFor();
  check((await asked.textContent()).includes("may I do paint the door?"), "the question is there");
  await until("the side counts it", () => page.isVisible('[data-place="waiting"] .badge'));
  await asked.locator("input").fill("green, please");
  await asked.getByRole("button", { name: "Approve" }).click();
  await turn(page, "COMPLETED");
  check((await page.textContent(".turn:last-child .replies")) === "done: green, please", "the note arrived");

  // An answer that is lost on the way: said again, and said once all the same.
  const spoken = (await journal(page)).length;
  const found = await loseAnswer(page, "sendChat");
  await say(page, "only once, please", { agent: "echo" });
  await turn(page, "COMPLETED");
  await found();
  const after = await journal(page);
  check(after.length === spoken + 2 && JSON.stringify(await shown(page)) === JSON.stringify(after), "it was said once", after);

  // A model that isn't ready yet is told of, with the remedy.
  const provider = { name: "local", node: "here", health: "UNHEALTHY", breaker: "OPEN", concurrencyLimit: 2, inFlight: 0, errorRate: 1, latencyMsP50: null, ttftMsP50: null, lastError: "the model is being fetched: 40 of 98 MB" };
  await page.route("**/graphql", (route) => (route.request().postData()?.includes("listProviders") ? route.fulfill({ json: { data: { listProviders: [provider] } } }) : route.continue()));
  await page.waitForSelector(".composer-note:has-text(\"The model isn't ready yet. The model is being fetched: 40 of 98 MB.\")");
  await page.waitForSelector('[data-provider="local"] .chip:has-text("breaker open")');
  await page.unroute("**/graphql");
  await page.waitForSelector(".composer-note", { state: "hidden" });

  // And refused from the list of all that waits.
  await say(page, "burn the house", { agent: "asker" });
  await asked.waitFor();
  await page.click('[data-place="waiting"]');
  const card = page.locator(".card", { hasText: "may I do burn the house?" });
  await card.getByRole("button", { name: "Reject" }).click();
  await card.waitFor({ state: "detached" });
  await page.goBack();
  await turn(page, "COMPLETED");
  check((await page.textContent(".turn:last-child .replies")) === "left alone", "the refusal arrived");

  // Hand-offs are in the timeline of their task.
  await say(page, "hello there", { agent: "parent" });
  await turn(page, "COMPLETED");
  await page.click(".turn:last-child .took summary");
  await page.click(".turn:last-child .took .more-link");
  await page.waitForSelector('.timeline [data-kind="AGENT"]');
  await page.waitForSelector(".rows .row:has-text('echo')");

  // A new page shows the same: the journal.
  await page.goBack();
  const again = await open(`#/chat/${await page.getAttribute(".room", "data-session")}`);
  await until("the conversation is there", async () => (await shown(again)).length >= 12);
  check(JSON.stringify(await shown(again)) === JSON.stringify(await journal(again)), "a new page shows the journal", await shown(again), await journal(again));
  const { listSessions } = await ask("{ listSessions { nodes { title } } }");
  check(listSessions.nodes[0].title === "Tell me about actors, slowly please", "it has a title", listSessions);
});
