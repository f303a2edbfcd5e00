// What a conversation is, made of what was read and what happens: no DOM, no network.
//
// A turn is what was said, and what became of it. Turns stand in the order in which they were said.

const ENDED = new Set(["COMPLETED", "FAILED", "CANCELLED"]);
export const isOver = (status) => ENDED.has(status);

function newTurn(id) {
  return {
    id,
    said: null,
    replies: [],
    status: "ACCEPTED",
    agent: null,
    attempt: 1,
    text: "",
    steps: new Map(),
    /** Whether `steps` holds those from before this page came. */
    stepsKnown: false,
    task: null,
    error: null,
    at: null,
    /** Not answered by the server yet. */
    pending: null,
    /** Counts the changes. */
    changes: 0,
  };
}

export class Conversation {
  constructor(id = null) {
    this.id = id;
    this.title = null;
    this.cursor = null;
    this.turns = [];
    this.earlier = null;
    /** What is said here goes out one by one, in its order. */
    this.line = Promise.resolve();
  }

  turn(id) {
    let turn = this.turns.find((each) => each.id === id);
    if (!turn) {
      turn = newTurn(id);
      this.turns.push(turn);
    }
    return turn;
  }

  /** Something said here that the server hasn't answered yet. */
  say(key, content, agent) {
    const turn = newTurn(`sending ${key}`);
    turn.said = { id: null, role: "USER", content, createdAt: new Date().toISOString() };
    turn.agent = agent;
    turn.pending = { key, waits: false };
    turn.stepsKnown = true;
    this.turns.push(turn);
    return turn;
  }

  /** The turn that was said here under this key became a task. */
  accept(key, taskId) {
    const mine = this.turns.find((each) => each.pending?.key === key);
    if (!mine) return null;
    const known = this.turns.find((each) => each.id === taskId);
    if (known && known !== mine) {
      this.turns.splice(this.turns.indexOf(mine), 1);
      known.stepsKnown = true;
      known.changes += 1;
      return known;
    }
    mine.id = taskId;
    mine.pending = null;
    mine.changes += 1;
    return mine;
  }

  /** Something said here can't be sent for now. */
  wait(key) {
    const mine = this.turns.find((each) => each.pending?.key === key);
    if (!mine || mine.pending.waits) return;
    mine.pending.waits = true;
    mine.changes += 1;
  }

  /** Something said here was refused. */
  take(key) {
    const at = this.turns.findIndex((each) => each.pending?.key === key);
    return at < 0 ? null : this.turns.splice(at, 1)[0];
  }

  /** A page of messages, oldest first, from before those that are here. */
  loadMessages(messages, pageInfo) {
    const before = this.turns;
    this.turns = [];
    for (const message of messages) this.#message(message);
    const loaded = this.turns;
    for (const turn of before) {
      const same = loaded.find((each) => each.id === turn.id);
      if (same) {
        // Its beginning lay on the earlier page.
        same.replies.push(...turn.replies.filter((reply) => !same.replies.some((other) => other.id === reply.id)));
        Object.assign(turn, { said: turn.said ?? same.said, replies: same.replies, changes: turn.changes + 1 });
        loaded[loaded.indexOf(same)] = turn;
      } else {
        loaded.push(turn);
      }
    }
    this.earlier = pageInfo.hasPreviousPage ? pageInfo.startCursor : null;
  }

  /** What became of turns whose messages are here. */
  loadTasks(tasks) {
    for (const task of tasks) {
      const turn = this.turns.find((each) => each.id === task.id);
      if (turn) this.#stands(turn, task);
    }
  }

  loadSteps(taskId, steps) {
    const turn = this.turns.find((each) => each.id === taskId);
    if (!turn) return null;
    for (const step of steps) this.#step(turn, step);
    turn.stepsKnown = true;
    turn.changes += 1;
    return turn;
  }

  /** Applies an event and returns the turn that it changed. */
  apply(event) {
    this.cursor = event.cursor;
    if (event.kind === "MESSAGE") return this.#message(event.message);
    if (!event.taskId) return null;
    const turn = this.turn(event.taskId);
    turn.changes += 1;
    switch (event.kind) {
      case "DELTA":
        this.#delta(turn, event);
        break;
      case "ATTEMPT":
        this.#attempt(turn, event.attempt);
        if (!isOver(turn.status)) turn.status = "RUNNING";
        break;
      case "STEP":
        this.#step(turn, event.step);
        if (turn.status === "ACCEPTED") turn.status = "RUNNING";
        break;
      case "WAITING":
        if (event.step) this.#step(turn, event.step);
        this.#stands(turn, event.task);
        break;
      default:
        this.#stands(turn, event.task);
    }
    return turn;
  }

  /** The turn that can be stopped: the oldest that has not ended. */
  get running() {
    return this.turns.find((turn) => !turn.pending && !isOver(turn.status) && turn.status !== "OUTCOME_UNKNOWN") ?? null;
  }

  #message(message) {
    const id = message.taskId ?? `message ${message.id}`;
    const key = message.metadata?.key;
    // The event may come before the answer to the call that caused it.
    if (message.role === "USER" && key && !this.turns.some((each) => each.id === id)) this.accept(key, id);
    const turn = this.turn(id);
    turn.changes += 1;
    if (message.role === "USER") {
      turn.said = message;
      turn.at = message.createdAt;
    } else if (!turn.replies.some((reply) => reply.id === message.id)) {
      turn.replies.push(message);
      turn.agent = message.agent ?? turn.agent;
      turn.text = "";
    }
    if (!message.taskId) turn.status = "COMPLETED";
    return turn;
  }

  /** Offsets are in UTF-16 units, which JavaScript's strings are made of. */
  #delta(turn, { attempt, offset, delta }) {
    if (isOver(turn.status) || attempt < turn.attempt) return;
    if (attempt > turn.attempt) this.#attempt(turn, attempt);
    if (turn.status === "ACCEPTED") turn.status = "RUNNING";
    turn.text = turn.text.slice(0, offset) + delta;
  }

  /** Another attempt begins: the text of the last is void, and so are steps that nobody finished. */
  #attempt(turn, attempt) {
    if (attempt <= turn.attempt) return;
    turn.attempt = attempt;
    turn.text = "";
    for (const [seq, step] of turn.steps) if (step.status === "STARTED") turn.steps.delete(seq);
  }

  #step(turn, step) {
    const known = turn.steps.get(step.seq);
    // A late hint that it started says nothing about what has ended.
    if (known && step.status === "STARTED" && known.status !== "STARTED" && step.attempt <= known.attempt) return;
    turn.steps.set(step.seq, step);
  }

  #stands(turn, task) {
    turn.changes += 1;
    turn.status = task.status;
    turn.agent = task.agent ?? turn.agent;
    turn.task = task;
    turn.error = task.error ?? null;
    if (isOver(task.status)) {
      for (const [seq, step] of turn.steps) if (step.status === "STARTED") turn.steps.delete(seq);
      if (task.status === "COMPLETED") turn.text = "";
    }
  }
}
