// One conversation on the screen: reads it, follows it, says things in it.

import { Lost, ask } from "../net/ask.js";
import { CANCEL, ON_CHAT, RENAME, RETRY, SESSION, SESSION_TASKS, TASK_STEPS } from "../net/documents.js";
import { insist } from "../net/insist.js";
import { subscribe } from "../net/socket.js";
import { each, h, setText } from "../dom.js";
import { heading, sentence } from "../format.js";
import { icon } from "../icons.js";
import { rename, route } from "../router.js";
import { announce, toast } from "../shell/notice.js";
import { allSteps } from "../work/steps.js";
import { composer } from "./composer.js";
import { Conversation, isOver } from "./conversation.js";
import { envelope, newKey, send, unanswered } from "./outbox.js";
import { scroller } from "./scroller.js";
import { turnView } from "./turn.js";
import { welcome } from "./welcome.js";

/** `agents` and `models` are signals; `changed()` is told when the list of conversations may differ. */
export function room({ agents, models, changed }) {
  let talk = new Conversation();
  let leave = () => {};
  let frame = 0;
  let opening = 0;

  const title = h("h1", { class: "view-title", tabindex: -1 }, "New conversation");
  const earlier = h("button", { class: "button earlier", hidden: true, onclick: loadEarlier }, "Earlier messages");
  const turns = h("div", { class: "turns", id: "turns" });
  const hello = welcome((text) => say(text, null));
  const gone = h("div", { class: "empty", role: "status", hidden: true });
  const note = h("p", { class: "composer-note", role: "status", hidden: true });
  const writer = composer({ send: say, stop });
  const paper = h("div", { class: "paper" }, earlier, turns, hello.node, gone);
  const scroll = scroller(paper);
  const node = h("section", { class: "view room", "aria-label": "Conversation" },
    h("header", { class: "view-head" }, title),
    scroll.node,
    h("div", { class: "composer-zone" }, scroll.jump, note, writer.node));

  agents.watch((list) => writer.offer(list.map((agent) => agent.name)));
  models.watch(showNote);

  const actions = { retry, copy, steps: loadSteps, resolved: () => changed() };

  function draw() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      drawNow();
    });
  }

  function drawNow() {
    scroll.around(() => each(turns, talk.turns, (turn) => turn, (turn) => turnView(turn, actions)));
    const isEmpty = talk.turns.length === 0 && !talk.earlier;
    hello.node.hidden = !isEmpty || talk.isLoading || !gone.hidden;
    earlier.hidden = !talk.earlier;
    writer.running(Boolean(talk.running));
    const name = talk.title ?? (talk.turns[0]?.said ? heading(talk.turns[0].said.content) : talk.id ? "Conversation" : "New conversation");
    setText(title, name);
    node.dispatchEvent(new CustomEvent("titled", { bubbles: true, detail: name }));
    node.dataset.session = talk.id ?? "";
    node.dataset.busy = Boolean(talk.running);
  }

  async function open(id) {
    if (id !== null && id === talk.id) return draw();
    leave();
    leave = () => {};
    const mine = (opening += 1);
    talk = new Conversation(id);
    gone.hidden = true;
    writer.node.hidden = false;
    if (id !== null) {
      talk.isLoading = true;
      node.setAttribute("aria-busy", "true");
      drawNow();
      const found = await load(talk).catch((error) => error);
      if (mine !== opening) return;
      talk.isLoading = false;
      node.removeAttribute("aria-busy");
      if (found !== true) missing(found);
      else follow();
    }
    drawNow();
    if (talk.turns.length > 0) scroll.toEnd();
  }

  /** True when it is there; insists, since reading changes nothing. */
  async function load(talk) {
    const reading = () => ask(SESSION, { id: talk.id });
    const { getSession: session } = await insist(reading);
    if (!session) return false;
    talk.title = session.title;
    talk.cursor = session.cursor;
    talk.loadMessages(session.messages.nodes, session.messages.pageInfo);
    await loadTasks(talk);
    return true;
  }

  /** What became of the turns, back to the oldest that is here; then the steps of those that go on. */
  async function loadTasks(talk) {
    let after = null;
    const oldest = talk.turns[0]?.id;
    for (let pages = 0; pages < 25; pages += 1) {
      const { listTasks: page } = await insist(() => ask(SESSION_TASKS, { id: talk.id, after }));
      talk.loadTasks(page.nodes);
      if (!page.pageInfo.hasNextPage || page.nodes.some((task) => task.id === oldest)) break;
      after = page.pageInfo.endCursor;
    }
    for (const turn of talk.turns) if (!isOver(turn.status) && !turn.pending) loadSteps(turn);
  }

  function missing(found) {
    gone.hidden = false;
    writer.node.hidden = true;
    const why = found === false ? "This conversation isn't there." : found.message;
    gone.replaceChildren(h("h2", {}, why), h("p", {}, found === false ? "It was deleted, or its address is wrong." : ""), h("a", { class: "button primary", href: "#/chat" }, "New conversation"));
  }

  /** Listens from the last cursor seen: after a lost connection too, so that nothing is missed or told twice. */
  function follow() {
    const mine = talk;
    leave = subscribe(ON_CHAT, () => ({ id: mine.id, after: mine.cursor }), ({ onChat: event }) => heard(mine, event), (error) => {
      if (mine !== talk) return;
      missing(error ?? false);
      changed();
      drawNow();
    });
  }

  function heard(mine, event) {
    const turn = mine.apply(event);
    if (mine !== talk) return;
    draw();
    if (event.kind === "COMPLETED") announce(`${turn.agent} answered.`);
    if (event.kind === "FAILED") announce(`The turn failed: ${turn.error?.message ?? ""}`);
    if (event.kind === "WAITING") announce(`${turn.agent} needs your word.`);
    if (["WAITING", "COMPLETED", "FAILED", "CANCELLED"].includes(event.kind)) changed();
  }

  function say(content, agent) {
    const mine = talk;
    const key = newKey();
    mine.say(key, content, agent);
    drawNow();
    scroll.toEnd();
    // A conversation that hasn't begun has no id yet: what is said second has to wait for it.
    const early = mine.id === null ? null : envelope(key, mine.id, content, agent);
    mine.line = mine.line.then(() => deliver(mine, early ?? envelope(key, mine.id, content, agent)));
  }

  async function deliver(mine, input) {
    const key = input.idempotencyKey;
    try {
      const sent = await send(input, () => {
        mine.wait(key);
        draw();
      });
      const turn = mine.accept(key, sent.task.id);
      if (turn) {
        turn.said ??= sent.message;
        turn.agent ??= sent.task.agent;
        turn.changes += 1;
      }
      if (mine.id === null) begun(mine, sent, input.content);
    } catch (refused) {
      mine.take(key);
      if (mine === talk) writer.restore(input.content);
      toast(sentence(refused.message), { kind: "bad", code: refused.code });
    }
    changed();
    draw();
  }

  /** A new conversation has its id now. Its title is what was said first. */
  function begun(mine, { session, cursor }, content) {
    mine.id = session.id;
    mine.cursor = cursor;
    mine.title = heading(content);
    insist(() => ask(RENAME, { id: session.id, title: mine.title })).then(changed, changed);
    if (mine !== talk) return;
    follow();
    if (route.value.place === "chat" && route.value.id === null) rename("chat", session.id);
  }

  async function stop() {
    const turn = talk.running;
    if (!turn) return;
    try {
      await insist(() => ask(CANCEL, { id: turn.id }));
    } catch (refused) {
      toast(sentence(refused.message), { kind: "bad", code: refused.code });
    }
  }

  /** Not repeated when its answer is lost: it has no key, and the conversation shows whether it began. */
  async function retry(turn, button) {
    button.disabled = true;
    try {
      await ask(RETRY, { id: turn.id });
      scroll.toEnd();
    } catch (error) {
      const lost = error instanceof Lost;
      toast(lost ? "The server's answer was lost: if the turn began again, it appears below." : error.message, { kind: "bad", code: error.code });
    }
    button.disabled = false;
  }

  async function loadSteps(turn) {
    if (turn.stepsFinal) return;
    const mine = talk;
    const isFinal = isOver(turn.status);
    try {
      mine.loadSteps(turn.id, await allSteps(TASK_STEPS, turn.id));
      // Not before: what failed is read again when it is opened again.
      turn.stepsFinal = isFinal;
      draw();
    } catch (error) {
      toast(error.message, { kind: "bad", code: error.code });
    }
  }

  async function loadEarlier() {
    const mine = talk;
    earlier.disabled = true;
    try {
      const { getSession: session } = await ask(SESSION, { id: mine.id, before: mine.earlier });
      if (session) {
        mine.loadMessages(session.messages.nodes, session.messages.pageInfo);
        await loadTasks(mine);
        scroll.keep(drawNow);
      }
    } catch (error) {
      toast(error.message, { kind: "bad", code: error.code });
    }
    earlier.disabled = false;
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      toast("Copied.");
    } catch {
      toast("The browser doesn't let this page copy here.", { kind: "bad" });
    }
  }

  /** While no model can answer: which, and what the error says to do. */
  function showNote(list) {
    const none = list !== null && !list.some((model) => model.health === "HEALTHY" || model.health === "DEGRADED");
    note.hidden = !none;
    if (!none) return;
    const why = list.map((model) => sentence(model.lastError ?? `${model.name} is ${model.health.toLowerCase()}`)).join(" ");
    note.replaceChildren(icon("model"), h("span", {}, h("b", {}, list.length ? "The model isn't ready yet. " : "No model is configured. "), why || "greenroom doctor says what to do.", " You may write all the same."));
  }

  /** Sends on what an earlier life of this page had no answer to. */
  function resume() {
    const talks = new Map([[talk.id, talk]]);
    for (const input of unanswered()) {
      const mine = talks.get(input.sessionId) ?? new Conversation(input.sessionId);
      talks.set(input.sessionId, mine);
      mine.say(input.idempotencyKey, input.content, input.agent);
      mine.line = mine.line.then(() => deliver(mine, input));
    }
    draw();
  }

  return { node, open, resume, focus: writer.focus, get talk() { return talk; }, retitle: (id, name) => { if (talk.id === id) { talk.title = name; draw(); } } };
}
