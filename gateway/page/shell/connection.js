// Says whether the page and its server are connected, and what to do when they aren't.

import { byId, h, setText } from "../dom.js";
import { connectNow, link } from "../net/socket.js";
import { announce } from "./notice.js";

/** Blinks that heal at once are not worth a word. */
const PATIENCE_MS = 350;
const LONG_TRIES = 4;

export function showConnection() {
  const banner = byId("banner");
  const foot = byId("link-state");
  const text = h("span", {});
  const now = h("button", { class: "button small", type: "button", onclick: connectNow }, "Try now");
  banner.append(h("i", { class: "spinner", "aria-hidden": "true" }), text, now);
  let pause = 0;
  let wasLost = false;

  link.watch(({ state, tries }) => {
    foot.dataset.state = state;
    byId("shell").toggleAttribute("data-stale", state !== "open" && tries > 0);
    setText(foot.lastElementChild, { open: "Connected", connecting: tries ? "Reconnecting…" : "Connecting…", waiting: "Reconnecting…" }[state]);
    if (state === "open") {
      clearTimeout(pause);
      pause = 0;
      banner.hidden = true;
      if (wasLost) {
        announce("Connected again.");
        offerNewPage(banner);
      }
      wasLost = false;
      return;
    }
    setText(text, tries < LONG_TRIES ? "Reconnecting…" : `Reconnecting… Nothing answers at ${location.host}. Is greenroom dev running? What was said is on disk, and the page goes on by itself.`);
    now.hidden = tries < LONG_TRIES;
    pause ||= setTimeout(() => {
      banner.hidden = false;
      wasLost = true;
    }, PATIENCE_MS);
  });
}

/** A server that came back may be a newer one, with another page. */
async function offerNewPage(banner) {
  try {
    const mine = document.querySelector('script[type="module"]').src.split("/page/")[1].split("/")[0];
    const page = await (await fetch("/", { cache: "no-cache" })).text();
    if (page.includes(`/page/${mine}/`) || document.querySelector(".new-page")) return;
    banner.after(h("div", { class: "banner new-page", role: "status" }, h("span", {}, "Greenroom was updated."), h("button", { class: "button small", onclick: () => location.reload() }, "Load the new page")));
  } catch {
    // Gone again: the next reconnect asks again.
  }
}
