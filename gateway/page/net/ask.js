// Queries and mutations, by POST.

/** The server said no, or that something failed. */
export class Refused extends Error {
  constructor({ message, extensions = {} }) {
    super(message);
    this.code = extensions.code ?? "INTERNAL";
    this.retryable = extensions.retryable ?? false;
    this.retryAfterMs = extensions.retryAfterMs ?? null;
    /** Set when the outcome is not known: the call may be repeated under this key. */
    this.unknown = this.code === "UNAVAILABLE" && Boolean(extensions.idempotencyKey);
  }
}

/** No answer came: the server is gone, or the connection. Nobody knows whether the call was heard. */
export class Lost extends Error {
  constructor(cause) {
    super("The server doesn't answer.", { cause });
    this.code = "LOST";
    this.unknown = true;
  }
}

const PATIENCE_MS = 70_000;

/** The data of an answer. Throws `Refused` or `Lost`. */
export async function ask(query, variables = {}) {
  let answer;
  try {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    answer = await response.json();
  } catch (cause) {
    throw new Lost(cause);
  }
  if (answer.errors?.length) throw new Refused(answer.errors[0]);
  return answer.data;
}
