// The page at /graphql: queries are tried there, and nothing is fetched from elsewhere until GraphiQL is asked for.

import { accessible, assertQuiet, base, browser, check, open, run } from "./driver.mjs";

await run(async () => {
  const page = await open("graphql");
  const elsewhere = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(`${base}/`)) elsewhere.push(request.url());
  });
  await page.reload();
  await page.click("#small button:has-text('Run')");
  await page.waitForSelector("#answer:has-text('sendChat')");
  await page.fill("#query", "query($first: Int) { listSessions(first: $first) { nodes { id } } }");
  await page.fill("#variables", '{ "first": 1 }');
  await page.press("#variables", "Control+Enter");
  await page.waitForSelector("#answer:has-text('listSessions')");
  await page.fill("#variables", "{");
  await page.press("#variables", "Control+Enter");
  await page.waitForSelector("#answer:has-text('SyntaxError')");
  await accessible(page, "the page to try queries on");
  check(elsewhere.length === 0, "nothing is fetched from elsewhere", elsewhere);
  assertQuiet();

  // GraphiQL is fetched for whoever asks for it. Where that can't be, the page says so, and the way back.
  const asked = await browser.newPage();
  await asked.route("https://unpkg.com/**", (route) => {
    elsewhere.push(route.request().url());
    return route.abort();
  });
  await asked.goto(`${base}/graphql`);
  await asked.click("a:has-text('GraphiQL')");
  await asked.waitForSelector("#graphiql:has-text('unpkg.com')");
  check(elsewhere.length === 4, "GraphiQL and what it needs are fetched", elsewhere);
  await asked.click("a:has-text('Go back')");
  await asked.waitForSelector("#small");
  await asked.close();
});
