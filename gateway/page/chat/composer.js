// Where one writes: grows with the text, sends on Enter, stops on Escape.

import { h } from "../dom.js";
import { icon } from "../icons.js";

const CHOICE = "greenroom.agent";

/** `send(text, agent)` and `stop()` are the room's. */
export function composer({ send, stop }) {
  const text = h("textarea", {
    id: "composer",
    rows: 1,
    placeholder: "Say something…",
    "aria-label": "Your message",
    "aria-describedby": "composer-hint",
    enterkeyhint: "send",
    maxlength: 200_000,
    oninput: resize,
    onkeydown: pressed,
  });
  const agents = h("select", { id: "agent", "aria-label": "Agent that answers", onchange: () => pick(agents.value) });
  const sender = h("button", { class: "round primary", type: "submit", "aria-label": "Send", disabled: true }, icon("send"));
  const stopper = h("button", { class: "round", id: "stop", type: "button", "aria-label": "Stop the answer (Escape)", hidden: true, onclick: stop }, icon("stop"));
  const form = h("form", { class: "composer", onsubmit: submitted },
    text,
    h("div", { class: "composer-row" },
      h("label", { class: "chooser" }, icon("agent"), agents),
      h("span", { class: "hint", id: "composer-hint" }, h("kbd", {}, "Enter"), " sends, ", h("kbd", {}, "Shift Enter"), " breaks the line"),
      stopper, sender));

  function resize() {
    text.style.setProperty("height", "auto");
    text.style.setProperty("height", `${Math.min(text.scrollHeight, 240)}px`);
    sender.disabled = text.value.trim() === "";
  }

  function pressed(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === "Escape" && !stopper.hidden) {
      event.preventDefault();
      stop();
    }
  }

  function submitted(event) {
    event.preventDefault();
    const said = text.value.trim();
    if (!said) return;
    set("");
    send(said, agents.value || null);
  }

  function set(value) {
    text.value = value;
    resize();
  }

  /** Nobody in particular is the default agent: the server knows who that is. */
  let picked = kept();

  function pick(name) {
    picked = name;
    try {
      localStorage.setItem(CHOICE, name);
    } catch {
      // Forbidden: then the choice lasts as long as the page.
    }
  }

  function kept() {
    try {
      return localStorage.getItem(CHOICE) ?? "";
    } catch {
      return "";
    }
  }

  return {
    node: form,
    focus: () => text.focus(),
    set,
    /** Puts back what could not be sent, before what was written since. */
    restore: (said) => set(text.value ? `${said}\n${text.value}` : said),
    running: (isRunning) => {
      if (!isRunning && document.activeElement === stopper) text.focus();
      stopper.hidden = !isRunning;
    },
    /** Offers the agents there are and keeps the choice. */
    offer: (names) => {
      const offered = [...agents.options].map((option) => option.value);
      if (["", ...names].join() === offered.join()) return;
      agents.replaceChildren(h("option", { value: "" }, "Default agent"), ...names.map((name) => h("option", { value: name }, name)));
      agents.value = names.includes(picked) ? picked : "";
    },
  };
}
