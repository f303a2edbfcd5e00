// The model providers as they are now: asked every few seconds while somebody may look.

import { each, h, setText } from "../dom.js";
import { duration, sentence } from "../format.js";
import { ask } from "../net/ask.js";
import { PROVIDERS } from "../net/documents.js";
import { link } from "../net/socket.js";
import { signal } from "../signal.js";
import { breakerChip, healthDot, setBreaker, setHealth } from "./health.js";

const LOOK_EVERY_MS = 3_000;

/** The providers; null until they were asked. */
export function followProviders() {
  const providers = signal(null);
  let isReading = false;
  async function look() {
    if (isReading || document.hidden || link.value.state !== "open") return;
    isReading = true;
    try {
      const { listProviders } = await ask(PROVIDERS);
      if (JSON.stringify(listProviders) !== JSON.stringify(providers.value)) providers.set(listProviders);
    } catch {
      // The connection's own banner says so; the next look heals it.
    }
    isReading = false;
  }
  link.watch(({ state }) => state === "open" && look());
  document.addEventListener("visibilitychange", look);
  setInterval(look, LOOK_EVERY_MS);
  return providers;
}

export function providersPart(providers) {
  const list = h("ul", { class: "things" });
  const none = h("p", { class: "quiet" }, "No model is configured. Set OPENAI_API_KEY, start Ollama, or run ", h("code", {}, "greenroom doctor"), ".");
  const node = h("section", { class: "part", "aria-labelledby": "models-title" }, h("h2", { class: "eyebrow", id: "models-title" }, "Models"), list, none);
  providers.watch((all) => {
    none.hidden = all === null || all.length > 0;
    each(list, all ?? [], (provider) => `${provider.node} ${provider.name}`, providerView);
  });
  return node;
}

function providerView() {
  const dot = healthDot();
  const breaker = breakerChip();
  const name = h("b", {});
  const load = h("span", { class: "thing-load" });
  const meter = h("meter", { min: 0 });
  const facts = h("p", { class: "thing-says" });
  const error = h("p", { class: "thing-error" });
  const node = h("li", { class: "thing" }, h("div", { class: "thing-head" }, dot, name, breaker, load), meter, facts, error);

  function update(provider) {
    node.dataset.provider = provider.name;
    setHealth(dot, provider.health, provider.breaker);
    setBreaker(breaker, provider.breaker);
    setText(name, provider.name);
    setText(load, `${provider.inFlight} of ${provider.concurrencyLimit} calls`);
    meter.max = Math.max(1, provider.concurrencyLimit);
    meter.value = provider.inFlight;
    meter.setAttribute("aria-label", `${provider.inFlight} of ${provider.concurrencyLimit} calls run`);
    const rate = provider.errorRate > 0 ? `${Math.round(provider.errorRate * 100)} % fail` : "";
    const first = provider.ttftMsP50 === null ? "" : `first word after ${duration(provider.ttftMsP50)}`;
    const whole = provider.latencyMsP50 === null ? "" : `whole answer ${duration(provider.latencyMsP50)}`;
    setText(facts, [first, whole, rate].filter(Boolean).join(" · ") || "not called yet");
    error.hidden = !provider.lastError;
    error.classList.toggle("past", provider.health === "HEALTHY");
    setText(error, provider.health === "HEALTHY" ? `Last fault: ${provider.lastError}` : sentence(provider.lastError ?? ""));
  }

  return { node, update };
}
