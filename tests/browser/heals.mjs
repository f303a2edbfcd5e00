// The server is killed in the middle of an answer, and started again: the page heals by itself, and shows what the
// journal holds.

import { base, check, healed, journal, kill, open, run, say, shown, start, turn, until } from "./driver.mjs";

const LONG = "Tell me everything that ever happened on this stage, from the first night to the last, and leave out nothing that matters to anybody at all";

const same = async (page) => JSON.stringify(await shown(page)) === JSON.stringify(await journal(page));

await run(async () => {
  const page = await open();
  const other = await open();
  await say(page, "A first word");
  await turn(page, "COMPLETED");

  // In mid-answer.
  await say(page, LONG);
  const live = page.locator(".turn:last-child .live");
  await until("some of it is written", async () => (await live.isVisible()) && (await live.textContent()).length > 40);
  await kill();
  await page.waitForSelector("#banner:has-text('Reconnecting…')", { state: "visible" });
  const kept = await live.textContent();
  check(kept.length > 40, "what was written stays on the screen meanwhile", kept);

  // What is said while nobody listens is kept, also over a reload of another page that can't even load.
  await say(page, "Are you there?");
  await page.waitForSelector(".turn:last-child .sent-state:has-text('Not sent yet')");
  await until("it says what to do", async () => (await page.textContent("#banner")).includes("Is greenroom dev running?"));
  await start();
  await healed(page);
  await until("all turns are done", async () => (await page.locator('.turn[data-status="COMPLETED"]').count()) === 3, 60_000);
  await until("the page shows the journal", () => same(page));
  const messages = await journal(page);
  check(messages.length === 6 && messages.filter(([, , content]) => content === "Are you there?").length === 1, "each was said once", messages);
  check(messages[3][2].includes("leave out nothing"), "the long answer is whole", messages);
  await healed(other);
  await other.locator(".session-list a").first().click();
  await until("another page shows the same", async () => (await shown(other)).length === 6);

  // An effect of which nobody knows whether it happened.
  await say(page, "17 pieces of gold", { agent: "payer" });
  await page.click(".turn:last-child .took summary");
  await page.waitForSelector(".turn:last-child .step:has-text('pay')");
  await kill();
  await page.waitForSelector("#banner", { state: "visible" });
  // To one of them the server comes back as another version.
  await other.route(`${base}/`, (route) => route.fulfill({ contentType: "text/html", body: '<script src="/page/another/app.js"></script>' }));
  await start();
  await other.waitForSelector(".new-page:has-text('Greenroom was updated')");
  await healed(page);
  check((await page.locator(".new-page").count()) === 0, "the same version says nothing");
  const asked = page.locator(".turn:last-child .decision");
  await asked.waitFor({ timeout: 60_000 });
  check((await asked.textContent()).includes("Did “pay” happen?"), "it asks");
  await asked.locator("summary").click();
  await asked.locator("textarea").fill("17 and so on");
  await asked.getByRole("button", { name: "It happened" }).click();
  await page.waitForSelector(".decision .problem:has-text(\"isn't JSON\")");
  await asked.locator("textarea").fill('"receipt 17"');
  await asked.getByRole("button", { name: "It happened" }).click();
  await turn(page, "COMPLETED");
  check((await page.textContent(".turn:last-child .replies")) === "paid: receipt 17", "it was settled", await page.textContent(".turn:last-child .replies"));
  await until("the page shows the journal", () => same(page));
});
