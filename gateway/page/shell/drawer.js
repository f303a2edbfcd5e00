// On a narrow screen the side lies over the page and is opened by a button.

import { byId } from "../dom.js";
import { icon } from "../icons.js";
import { route } from "../router.js";

export function drawer() {
  const menu = byId("menu");
  const side = byId("side");
  const scrim = byId("scrim");
  const narrow = matchMedia("(max-width: 820px)");
  menu.append(icon("menu"));
  byId("topbar-new").append(icon("plus"));

  function set(isOpen, { refocus = true } = {}) {
    const shut = narrow.matches && !isOpen;
    side.classList.toggle("open", isOpen);
    side.inert = shut;
    scrim.hidden = !isOpen;
    menu.setAttribute("aria-expanded", String(isOpen));
    for (const other of document.querySelectorAll(".stage, .topbar, .backstage")) other.inert = isOpen && narrow.matches;
    if (isOpen) side.querySelector("a, button").focus();
    else if (refocus && narrow.matches) menu.focus();
  }

  const isOpen = () => side.classList.contains("open");
  menu.addEventListener("click", () => set(!isOpen()));
  scrim.addEventListener("click", () => set(false));
  side.addEventListener("click", (event) => event.target.closest("a[href]") && isOpen() && set(false, { refocus: false }));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isOpen()) set(false);
  });
  narrow.addEventListener("change", () => set(false, { refocus: false }));
  route.watch(() => isOpen() && set(false, { refocus: false }));
  set(false, { refocus: false });
}
