// The agents as they are now, and each instance of them.

import { each, h, setText } from "../dom.js";
import { duration, plural, sentence } from "../format.js";
import { ask } from "../net/ask.js";
import { AGENTS, ON_AGENTS } from "../net/documents.js";
import { insist } from "../net/insist.js";
import { follow, link } from "../net/socket.js";
import { signal } from "../signal.js";
import { breakerChip, healthDot, setBreaker, setHealth } from "./health.js";

/** The agents by name, followed. */
export function followAgents() {
  const agents = signal([]);
  const put = (agent) => agents.set([...agents.value.filter((other) => other.name !== agent.name), agent].sort((a, b) => a.name.localeCompare(b.name)));
  follow(ON_AGENTS, ({ onAgentStatus }) => put(onAgentStatus));
  // What left while nobody listened is told by no event.
  link.watch(({ state }) => state === "open" && insist(() => ask(AGENTS)).then(({ listAgents }) => agents.set(listAgents)).catch(() => {}));
  return agents;
}

export function agentsPart(agents) {
  const list = h("ul", { class: "things" });
  const node = h("section", { class: "part", "aria-labelledby": "agents-title" }, h("h2", { class: "eyebrow", id: "agents-title" }, "Agents"), list);
  agents.watch((all) => each(list, all, (agent) => agent.name, agentView));
  return node;
}

function agentView() {
  const dot = healthDot();
  const breaker = breakerChip();
  const name = h("b", {});
  const version = h("small", {});
  const load = h("span", { class: "thing-load" });
  const says = h("p", { class: "thing-says" });
  const error = h("p", { class: "thing-error" });
  const instances = h("ul", { class: "instances" });
  const count = h("span", {});
  const details = h("details", { class: "thing-more" }, h("summary", {}, count), instances);
  const node = h("li", { class: "thing" }, h("div", { class: "thing-head" }, dot, name, version, breaker, load), says, error, details);

  function update(agent) {
    node.dataset.agent = agent.name;
    setHealth(dot, agent.health, agent.breaker);
    setBreaker(breaker, agent.breaker);
    setText(name, agent.name);
    setText(version, agent.version);
    setText(load, loadText(agent));
    setText(says, agent.description);
    error.hidden = !agent.lastError;
    error.classList.toggle("past", agent.health === "HEALTHY");
    setText(error, agent.health === "HEALTHY" ? `Last failure: ${agent.lastError}` : sentence(agent.lastError ?? ""));
    const times = agent.latencyMsP50 === null ? "" : `, ${duration(agent.latencyMsP50)} median`;
    setText(count, `${plural(agent.instances.length, "instance")}${times}`);
    each(instances, agent.instances, (instance) => instance.id, instanceView);
  }

  return { node, update };
}

function loadText({ inFlight, queued }) {
  if (queued > 0) return `${inFlight} at work, ${queued} waiting`;
  return inFlight > 0 ? `${inFlight} at work` : "idle";
}

function instanceView() {
  const dot = healthDot();
  const breaker = breakerChip();
  const name = h("code", {});
  const load = h("span", { class: "thing-load" });
  const facts = h("p", { class: "quiet" });
  const node = h("li", {}, h("div", { class: "thing-head" }, dot, name, breaker, load), facts);
  function update(instance) {
    setHealth(dot, instance.health, instance.breaker);
    setBreaker(breaker, instance.breaker);
    setText(name, instance.id);
    setText(load, instance.inFlight > 0 ? `${instance.inFlight} at work` : "idle");
    setText(facts, [`on ${instance.node}`, plural(instance.restarts, "restart"), instance.lastError ?? ""].filter(Boolean).join(" · "));
  }
  return { node, update };
}
