// The page is put together here: what is followed, the views, and which of them is shown.

import { followAgents, agentsPart } from "./backstage/agents.js";
import { followProviders, providersPart } from "./backstage/providers.js";
import { treePart } from "./backstage/tree.js";
import { room } from "./chat/room.js";
import { byId, h, setText } from "./dom.js";
import { icon } from "./icons.js";
import { address, route } from "./router.js";
import { sessionList } from "./sessions/list.js";
import { showConnection } from "./shell/connection.js";
import { drawer } from "./shell/drawer.js";
import { taskView } from "./work/task.js";
import { tasksView } from "./work/tasks.js";
import { waitingView } from "./work/waiting.js";

const main = byId("main");
const shell = byId("shell");

showConnection();
drawer();
const agents = followAgents();
const models = followProviders();
const waiting = waitingView();
const tasks = tasksView();
const task = taskView();
const chat = room({ agents, models, changed: () => { sessions.refresh(); waiting.refresh(); } });
const sessions = sessionList(byId("sessions"), { renamed: chat.retitle });
byId("new").prepend(icon("plus"));
byId("backstage").append(
  h("header", { class: "view-head" }, h("h1", { class: "view-title", id: "backstage-title", tabindex: -1 }, "Backstage")),
  h("div", { class: "scroll", tabindex: -1 }, h("div", { class: "parts" }, agentsPart(agents), providersPart(models), treePart())));

const PLACES = [
  ["waiting", "Waiting for you", "hand"],
  ["tasks", "Tasks", "tasks"],
  ["backstage", "Backstage", "stage"],
];
const links = new Map(PLACES.map(([place, name, image]) => [place, h("a", { href: address(place), "data-place": place }, icon(image), h("span", {}, name), h("span", { class: "badge", hidden: true }))]));
byId("places").append(...links.values());
waiting.waiting.watch((count) => {
  const badge = links.get("waiting").lastElementChild;
  badge.hidden = count === 0;
  setText(badge, String(count));
  byId("menu").classList.toggle("noticed", count > 0);
  byId("menu").setAttribute("aria-label", count > 0 ? `Open the menu: ${count} waiting for you` : "Open the menu");
});

const views = { chat, waiting, tasks, task, backstage: { node: null } };
let shown = null;

main.addEventListener("titled", ({ detail }) => route.value.place === "chat" && name(detail));

function name(title) {
  document.title = title === "New conversation" ? "Greenroom" : `${title} – Greenroom`;
  setText(byId("topbar-title"), title);
}

route.watch(({ place, id, renamed }) => {
  shell.dataset.place = place;
  for (const [each, link] of links) {
    if (each === place || (each === "tasks" && place === "task")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (renamed) return;
  const view = views[place];
  if (view !== shown) {
    shown?.hide?.();
    main.replaceChildren(...(view.node ? [view.node] : []));
  }
  const isFirst = shown === null;
  shown = view;
  if (place !== "chat") name({ waiting: "Waiting for you", tasks: "Tasks", task: "Task", backstage: "Backstage" }[place]);
  (view.open ?? view.show)?.(id);
  focusOn(place, isFirst);
});

/** A change of place is told to keyboards and screen readers by where the focus is. */
function focusOn(place, isFirst) {
  const canType = matchMedia("(pointer: fine)").matches;
  if (place === "chat" && canType) chat.focus();
  else if (!isFirst) (place === "backstage" ? byId("backstage-title") : main.querySelector("h1"))?.focus({ preventScroll: true });
}

// The address says where one is: the skip link moves the focus alone.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  (route.value.place === "backstage" ? byId("backstage-title") : main).focus();
});

document.addEventListener("keydown", (event) => {
  const isWriting = event.target.closest?.("input, textarea, select, dialog");
  if (event.key !== "/" || isWriting || event.ctrlKey || event.metaKey || event.altKey || route.value.place !== "chat") return;
  event.preventDefault();
  chat.focus();
});

chat.resume();
