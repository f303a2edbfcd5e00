// Asking before something is done that can't be undone.

import { h } from "../dom.js";

/** Whether the reader confirmed. Escape and a click beside it mean no; focus goes back to where it was. */
export function confirmed({ title, text, yes }) {
  return new Promise((resolve) => {
    const no = h("button", { class: "button", value: "no", autofocus: true }, "Cancel");
    const form = h("form", { method: "dialog" }, h("h2", { id: "dialog-title" }, title), h("p", {}, text),
      h("div", { class: "dialog-row" }, no, h("button", { class: "button danger", value: "yes" }, yes)));
    const dialog = h("dialog", {
      "aria-labelledby": "dialog-title",
      onclose: () => {
        dialog.remove();
        resolve(dialog.returnValue === "yes");
      },
      onclick: (event) => event.target === dialog && dialog.close("no"),
    }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}
