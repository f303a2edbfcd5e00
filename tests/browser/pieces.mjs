// Pieces of the page by themselves, in the browser that they are for.

import { check, open, run } from "./driver.mjs";

/** Runs in the page: gives the names of what doesn't hold. */
async function pieces() {
  const base = document.querySelector("script[type=module]").src.replace(/app\.js$/, "");
  const { Conversation } = await import(`${base}chat/conversation.js`);
  const { renderMarkdown } = await import(`${base}markdown.js`);
  const { renewing } = await import(`${base}net/renewing.js`);
  const format = await import(`${base}format.js`);
  const wrong = [];
  const is = (what, found, wanted) => {
    if (JSON.stringify(found) !== JSON.stringify(wanted)) wrong.push(`${what}: ${JSON.stringify(found)} is not ${JSON.stringify(wanted)}`);
  };
  let slot = 0;
  const event = (kind, more) => ({ cursor: `${(slot += 1)}-0-0-0`, kind, taskId: "s.0", attempt: 1, ...more });
  const delta = (offset, text, attempt = 1) => event("DELTA", { offset, delta: text, attempt });
  const message = (id, role, content, more) => event("MESSAGE", { message: { id, taskId: "s.0", role, content, ...more } });
  const task = (status, more) => ({ task: { id: "s.0", agent: "assistant", status, ...more } });
  const step = (seq, status, attempt = 1) => event("STEP", { step: { seq, status, attempt, kind: "MODEL" } });

  // Text: offsets in UTF-16 units, overlaps replaced, attempts apart.
  const talk = new Conversation("s");
  talk.apply(message("m1", "USER", "hi"));
  talk.apply(delta(0, "🎭 a"));
  talk.apply(delta(3, "to b"));
  is("a delta replaces from its offset on", talk.turns[0].text, "🎭 to b");
  talk.apply(delta(0, "🎭 to be"));
  is("after a reconnect one delta brings all", talk.turns[0].text, "🎭 to be");
  talk.apply(step(0, "STARTED"));
  talk.apply(event("ATTEMPT", { attempt: 2 }));
  is("an attempt that died takes its text along", [talk.turns[0].text, talk.turns[0].steps.size], ["", 0]);
  talk.apply(delta(8, " late", 1));
  is("a straggler of the dead attempt changes nothing", talk.turns[0].text, "");
  talk.apply(delta(0, "again", 2));
  talk.apply(step(0, "DONE", 2));
  talk.apply(step(0, "STARTED", 2));
  is("a late hint changes nothing", talk.turns[0].steps.get(0).status, "DONE");
  is("it runs", talk.running?.id, "s.0");
  talk.apply(message("m2", "ASSISTANT", "again!"));
  talk.apply(message("m2", "ASSISTANT", "again!"));
  talk.apply(event("COMPLETED", task("COMPLETED")));
  is("the message replaces the text, once", [talk.turns[0].replies.length, talk.turns[0].text, talk.running], [1, "", null]);
  is("the last cursor is kept", talk.cursor, `${slot}-0-0-0`);

  // What is said here meets its message, whichever comes first: the answer or the event.
  for (const eventFirst of [true, false]) {
    const talk = new Conversation("s");
    talk.say("k1", "hello", "assistant");
    talk.say("k2", "hello", "assistant");
    const arrives = [() => talk.apply(message("m1", "USER", "hello", { metadata: { key: "k1" } })), () => talk.accept("k1", "s.0")];
    for (const step of eventFirst ? arrives : arrives.reverse()) step();
    is("a message is shown once", talk.turns.map((turn) => [turn.id, turn.said.content, Boolean(turn.pending)]), [["s.0", "hello", false], ["sending k2", "hello", true]]);
  }
  // A turn that is tried again has the metadata of the first, and is another.
  const again = new Conversation("s");
  again.apply(message("m1", "USER", "hello", { metadata: { key: "k1" } }));
  again.apply({ ...message("m3", "USER", "hello", { metadata: { key: "k1" }, taskId: "s.1" }), taskId: "s.1" });
  is("a turn tried again is another turn", again.turns.map((turn) => turn.id), ["s.0", "s.1"]);
  // Pages of messages join.
  again.loadMessages([{ id: "m0", taskId: "s.9", role: "USER", content: "older" }], { hasPreviousPage: true, startCursor: "c" });
  is("an earlier page goes before", [again.turns.map((turn) => turn.id), again.earlier], [["s.9", "s.0", "s.1"], "c"]);

  // Markdown: a little of it, and never HTML.
  const place = document.createElement("div");
  const html = (text) => {
    renderMarkdown(place, text);
    return place.innerHTML;
  };
  is("marks", html("a **b** *c* `d` ~~e~~ snake_case_name 2*3*4"), "<p>a <strong>b</strong> <em>c</em> <code>d</code> <del>e</del> snake_case_name 2*3*4</p>");
  is("html is text", html("<b onclick=x>hi</b> &amp;"), "<p>&lt;b onclick=x&gt;hi&lt;/b&gt; &amp;amp;</p>");
  is("only known schemes are links", html("[x](javascript:alert(1)) [y](data:text/html,z)"), "<p>[x](javascript:alert(1)) [y](data:text/html,z)</p>");
  is("links", html("[x](https://e.example/a_(b)) http://f.example."), '<p><a href="https://e.example/a_(b)" target="_blank" rel="noopener noreferrer nofollow">x</a> <a href="http://f.example" target="_blank" rel="noopener noreferrer nofollow">http://f.example</a>.</p>');
  is("a quote in a link stays in it", place.querySelector("a").attributes.length, 3);
  is("lists", html("- a\n- b\n  - c\n\n3. d\n4. e"), '<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><ol start="3"><li>d</li><li>e</li></ol>');
  is("an open fence is code", [html("```rust\nlet a = 1;\n\n<b>"), place.querySelector("code").textContent][1], "let a = 1;\n\n<b>");
  is("headings and quotes", html("# t\n> q"), "<h3>t</h3><blockquote><p>q</p></blockquote>");
  is("lines stay lines", html("one\ntwo"), "<p>one\ntwo</p>");
  renderMarkdown(place, "first\n\nsecond");
  const first = place.firstChild;
  renderMarkdown(place, "first\n\nsecond and more");
  is("a finished block stays the same node", [place.firstChild === first, place.lastChild.textContent], [true, "second and more"]);
  is("a heading loses the marks that close it", html("## a #b ##\n# # \n#c"), "<h4>a #b</h4><h3></h3><p>#c</p>");
  is("a table", html("a|b\n:-- | --:\n*c*|d"), '<div class="table" tabindex="0" role="region" aria-label="Table"><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td><em>c</em></td><td>d</td></tr></tbody></table></div>');
  is("marks that follow each other", html("**a**_b_ `c`*d* ~~e~~**f *g***"), "<p><strong>a</strong><em>b</em> <code>c</code><em>d</em> <del>e</del><strong>f *g</strong>*</p>");

  // What is hostile is shown too, soon, and takes nothing else along.
  const long = 32_000;
  const gap = " ".repeat(long);
  const hostile = { stars: "*".repeat(long), brackets: "[".repeat(long), ticks: "`".repeat(long), "low lines": "_a ".repeat(long / 3), tildes: "~~a ".repeat(long / 4), links: "[a](https://a".repeat(long / 12), bars: "|".repeat(long),
    "a heading": `# a${gap}b`, "a broken heading": `# ${gap}a\rb`, "a fence": `\`\`\`${gap}\``, "a fence's language": `~~~${"a".repeat(long)}\``, "a long fence": `${"~".repeat(long)}\``, "a table": `a|b\n--${gap}x`, "an item": `- ${gap}a\rb`, "a rule": `---${gap}x`,
    quotes: ">".repeat(long), "spaced quotes": "> ".repeat(long / 2), items: "- ".repeat(long / 2), "numbered items": "1. ".repeat(long / 3), "quoted items": "> - ".repeat(long / 4),
    "marks in each other": "**~~".repeat(long / 8) + "~~**".repeat(long / 8), paragraphs: `${"[".repeat(3_999)}\n\n`.repeat(long / 4_000), "paragraphs of marks": `${"**~~".repeat(999)}\n\n`.repeat(long / 4_000) };
  for (const [what, text] of Object.entries(hostile)) {
    const began = performance.now();
    renderMarkdown(place, text);
    const took = performance.now() - began;
    if (took > 400) wrong.push(`hostile ${what}: ${took} ms`);
  }
  const depth = (mark, tag) => {
    renderMarkdown(place, `${mark.repeat(8_000)} end`);
    return [place.querySelectorAll(tag).length, place.textContent.endsWith(" end")];
  };
  is("quotes go so deep", depth(">", "blockquote"), [16, true]);
  is("lists go so deep", depth("- ", "li"), [16, true]);
  is("a long text is plain", html(`**a** ${"b ".repeat(4_000)}`).startsWith("<p>**a** b"), true);
  const make = document.createElement;
  document.createElement = (tag) => {
    if (tag === "blockquote") throw new RangeError("as if it were too deep");
    return make.call(document, tag);
  };
  is("what can't be drawn is shown as it was written", html("a\n> **b**"), "<p>a\n&gt; **b**</p>");
  document.createElement = make;
  is("and drawn once it can be", html("a\n> **b**"), "<p>a</p><blockquote><p><strong>b</strong></p></blockquote>");

  // What changes during a read is read once more, and once only.
  const reads = [];
  const renew = renewing(() => new Promise((resolve) => reads.push(resolve)));
  const whole = renew();
  renew();
  renew();
  is("one read at a time", reads.length, 1);
  reads[0]();
  await new Promise((resolve) => setTimeout(resolve));
  is("one more for all who asked during it", reads.length, 2);
  reads[1]();
  await whole;
  is("and no more", reads.length, 2);

  // Numbers.
  is("durations", [0, 999, 1_234, 59_000, 61_000, 3_700_000].map(format.duration), ["0 ms", "999 ms", "1.2 s", "59 s", "1 min 1 s", "1 h 1 min"]);
  is("money", [0, 0.000_01, 0.001_2, 0.12, 3].map(format.money), ["$0", "<$0.0001", "$0.0012", "$0.120", "$3.00"]);
  const usage = { inputTokens: 1_000, cachedInputTokens: 200, cacheWriteTokens: 0, outputTokens: 40, reasoningTokens: 2, costUsd: 0.001_2, estimated: true };
  is("usage", format.usageText(usage), "≈ 1.2k → 42 tokens · $0.0012");
  is("a title", [format.heading("## a *b* > `c`\nd"), format.heading(`${"word ".repeat(30)}`)], ["a b > c", `${"word ".repeat(11)}word…`]);
  return wrong;
}

await run(async () => {
  const page = await open();
  const wrong = await page.evaluate(pieces);
  check(wrong.length === 0, "the pieces hold", wrong);
});
