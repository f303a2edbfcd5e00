// Repeating a call whose answer was lost, for calls that may be repeated: those with a key, and those that change
// nothing the second time.

import { reconnected } from "./socket.js";

const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5_000;

/** Calls until it is answered, yes or no. `waiting` is told each time that no answer came. */
export async function insist(call, waiting = () => {}) {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 2)) {
    try {
      return await call();
    } catch (error) {
      if (!error.unknown) throw error;
      waiting(error);
      await reconnected(Math.max(pause, error.retryAfterMs ?? 0));
    }
  }
}
