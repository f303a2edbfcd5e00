// Everything by keyboard alone, and one always sees where one is.

import { ask, check, open, run, turn, until } from "./driver.mjs";

const here = (page) => page.evaluate(() => {
  const node = document.activeElement;
  const style = getComputedStyle(node);
  const around = node.closest(".composer, [role=treeitem]");
  const shadow = around ? getComputedStyle(around).boxShadow : "none";
  const inner = node.firstElementChild ? getComputedStyle(node.firstElementChild) : style;
  const ring = (each) => each.outlineStyle !== "none" && Number.parseFloat(each.outlineWidth) > 0;
  return { name: node.getAttribute("aria-label") ?? node.textContent.trim().slice(0, 40), tag: node.tagName, id: node.id, place: node.dataset.place, visible: ring(style) || ring(inner) || shadow !== "none" };
});

/** Presses Tab until the focus is where it is wanted, and looks that it can be seen all the way. */
async function tabTo(page, what, fits, key = "Tab") {
  const seen = [];
  for (let presses = 0; presses < 80; presses += 1) {
    const now = await here(page);
    seen.push(now.name);
    if (now.tag !== "BODY") check(now.visible, "the focus can be seen", now);
    if (await fits(now)) return now;
    await page.keyboard.press(key);
  }
  throw new Error(`no way to ${what} by ${key}, only to ${seen.join("; ")}`);
}

await run(async () => {
  const page = await open();
  const keys = page.keyboard;
  await page.waitForSelector('#agent option[value="asker"]', { state: "attached" });
  check((await here(page)).id === "composer", "one may write at once");

  await keys.type("first line");
  await keys.press("Shift+Enter");
  await keys.type("second line");
  await keys.press("Enter");
  await turn(page, "COMPLETED");
  check((await page.textContent(".turn:last-child .bubble")) === "first line\nsecond line", "Shift+Enter breaks the line");

  // Escape stops.
  await keys.type("something that takes its time to be answered in full");
  await keys.press("Enter");
  await page.waitForSelector(".turn:last-child .live", { state: "visible" });
  await keys.press("Escape");
  await turn(page, "CANCELLED");

  // Back to the turn, and again.
  await tabTo(page, "the button that tries again", ({ name }) => name === "Try this turn again", "Shift+Tab");
  await keys.press("Enter");
  await until("it runs again", async () => (await page.locator(".turn").count()) === 3);
  await turn(page, "COMPLETED");
  await tabTo(page, "the steps", ({ tag }) => tag === "SUMMARY");
  await keys.press("Enter");
  await page.waitForSelector(".step");

  // Another agent, and its approval.
  await tabTo(page, "the agents", ({ id }) => id === "agent");
  await keys.type("asker");
  check((await page.inputValue("#agent")) === "asker", "an agent is chosen by its name");
  await tabTo(page, "where one writes", ({ id }) => id === "composer", "Shift+Tab");
  await keys.type("open the window");
  await keys.press("Enter");
  await page.waitForSelector(".turn:last-child .decision");
  await tabTo(page, "the note", ({ tag }) => tag === "INPUT", "Shift+Tab");
  await keys.type("a little");
  await tabTo(page, "the approval", ({ name }) => name === "Approve");
  await keys.press("Space");
  await turn(page, "COMPLETED");
  check((await page.textContent(".turn:last-child .replies")) === "done: a little", "it was approved");

  // The skip link comes first and leads to the content.
  await page.reload();
  await page.waitForSelector(".turn");
  await page.evaluate(() => document.activeElement.blur());
  await tabTo(page, "the skip link", ({ name }) => name === "Skip to the content");
  await keys.press("Enter");
  check((await here(page)).id === "main", "it leads to the content");
  check((await page.locator(".turn").count()) === 4, "and changes nothing else");

  // Conversations: arrows, F2, Delete.
  await ask('mutation { createSession(title: "Another") { id } }');
  await page.reload();
  await page.waitForSelector(".session-list li:nth-child(2)");
  await page.evaluate(() => document.activeElement.blur());
  await tabTo(page, "the conversations", ({ name }) => /first line/.test(name));
  await keys.press("ArrowUp");
  check(/Another/.test((await here(page)).name), "arrows walk the list", await here(page));
  await keys.press("F2");
  await page.waitForSelector(".session-list input");
  await keys.type("A third name");
  await keys.press("Enter");
  await until("it is renamed", async () => (await ask("{ listSessions { nodes { title } } }")).listSessions.nodes.some(({ title }) => title === "A third name"));
  check(/A third name/.test((await here(page)).name), "the focus is back on it", await here(page));
  await keys.press("Delete");
  await page.waitForSelector("dialog[open]");
  await keys.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  check((await ask("{ listSessions { nodes { id } } }")).listSessions.nodes.length === 2, "Escape deletes nothing");
  check(/A third name/.test((await here(page)).name), "and gives the focus back", await here(page));
  await keys.press("Delete");
  await page.waitForSelector("dialog[open]");
  await tabTo(page, "the button that deletes", ({ name }) => name === "Delete");
  await keys.press("Enter");
  await until("it is deleted", async () => (await ask("{ listSessions { nodes { id } } }")).listSessions.nodes.length === 1);

  // The tree.
  await tabTo(page, "backstage", ({ place }) => place === "backstage", "Shift+Tab");
  await keys.press("Enter");
  await page.waitForSelector("#backstage-title:focus");
  await page.waitForSelector(".tree [role=treeitem]");
  await tabTo(page, "the tree", () => page.evaluate(() => document.activeElement.getAttribute("role") === "treeitem"));
  const expanded = (wanted) => async () => (await page.evaluate(() => document.activeElement.getAttribute("aria-expanded"))) === wanted;
  await keys.press("ArrowLeft");
  await until("it closes", expanded("false"));
  await keys.press("ArrowRight");
  await until("it opens", expanded("true"));
  await keys.press("ArrowDown");
  check((await here(page)).visible, "the focus in the tree can be seen");
  check((await page.evaluate(() => document.activeElement.getAttribute("aria-level"))) === "2", "down goes into it");
});
