// Every GraphQL document of the page, within the server's bounds on one query.

const USAGE = "usage { inputTokens cachedInputTokens cacheWriteTokens outputTokens reasoningTokens costUsd estimated }";
const ERROR = "error { code message retryable retryAfterMs }";
const MESSAGE = `id taskId role content agent createdAt metadata ${USAGE}`;
const STEP = `seq attempt kind name effect status startedAt finishedAt prompt ${USAGE} error { code message }`;
const ANSWER = `response { latencyMs attempts provider model ${USAGE} }`;
const TASK = `id sessionId agent status createdAt updatedAt ${ERROR} ${ANSWER}`;
const PAGE = "pageInfo { hasNextPage endCursor }";
const AGENT = `name version description health breaker inFlight queued lastError latencyMsP50 latencyMsP99
  instances { id node version health breaker inFlight restarts lastError }`;
const EVENT = `cursor kind taskId attempt offset delta at message { ${MESSAGE} } task { ${TASK} } step { ${STEP} } ${ERROR}`;

export const SESSIONS = `query($after: String) { listSessions(first: 30, after: $after) {
  nodes { id title createdAt updatedAt } ${PAGE} } }`;
export const RENAME = "mutation($id: ID!, $title: String) { updateSession(input: { id: $id, title: $title }) { id title } }";
export const DELETE = "mutation($id: ID!) { deleteSession(id: $id) }";

export const SESSION = `query($id: ID!, $before: String) { getSession(id: $id) { id title cursor
  messages(last: 40, before: $before) { nodes { ${MESSAGE} } pageInfo { hasPreviousPage startCursor } } } }`;
export const SESSION_THERE = "query($id: ID!) { getSession(id: $id) { id } }";
export const SESSION_TASKS = `query($id: ID!, $after: String) { listTasks(sessionId: $id, first: 40, after: $after) {
  nodes { ${TASK} } ${PAGE} } }`;
export const SEND = `mutation($input: SendChatInput!) { sendChat(input: $input) { cursor
  session { id title } message { ${MESSAGE} } task { ${TASK} } } }`;
export const ON_CHAT = `subscription($id: ID!, $after: String) { onChat(sessionId: $id, after: $after) { ${EVENT} } }`;
export const ON_TASK = `subscription($id: ID!, $after: String) { onTask(taskId: $id, after: $after) { ${EVENT} } }`;

export const TASK_HEAD = `query($id: ID!) { getTask(id: $id) { ${TASK} input cursor deadline
  response { content data latencyMs attempts provider model ${USAGE} }
  children(first: 20) { nodes { id agent status createdAt updatedAt } } } }`;
export const TASK_STEPS = `query($id: ID!, $after: String) { getTask(id: $id) { id agent status
  steps(first: 60, after: $after) { nodes { ${STEP} } ${PAGE} } } }`;
export const TASKS = `query($status: TaskStatus, $after: String) { listTasks(status: $status, first: 40, after: $after) {
  nodes { id sessionId agent status createdAt updatedAt input error { code message } response { latencyMs ${USAGE} } }
  ${PAGE} } }`;
export const WAITING = `query {
  waiting: listTasks(status: WAITING, first: 50) { nodes { id sessionId agent status createdAt updatedAt input } }
  unknown: listTasks(status: OUTCOME_UNKNOWN, first: 50) { nodes { id sessionId agent status createdAt updatedAt input } } }`;
export const CANCEL = `mutation($id: ID!) { cancelTask(id: $id) { ${TASK} } }`;
export const RETRY = `mutation($id: ID!) { retryTask(id: $id) { ${TASK} } }`;
export const RESOLVE = "mutation($input: ResolveTaskInput!) { resolveTask(input: $input) { id status } }";

export const AGENTS = `query { listAgents { ${AGENT} } }`;
export const ON_AGENTS = `subscription { onAgentStatus { ${AGENT} } }`;
export const PROVIDERS = `query { listProviders { name node health breaker concurrencyLimit inFlight errorRate
  latencyMsP50 ttftMsP50 lastError } }`;
const NODE = "path kind state restarts lastCause mailbox breaker";
export const TREE = `query { supervisionTree { ${NODE} children { ${NODE} children { ${NODE} children { ${NODE}
  children { ${NODE} children { ${NODE} } } } } } } }`;
export const ON_SUPERVISION = "subscription { onSupervision { path kind what cause at } }";
