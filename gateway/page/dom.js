// Building DOM without ever reading text as HTML: strings become text nodes, whatever they hold.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `on…` functions become listeners, other values attributes; null, undefined and false leave one out. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element of an SVG. */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Sets text only when it differs, so that selections and screen readers are left in peace. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Replaces the children unless `key` says that they would be the same as before. */
const shown = new WeakMap();
export function fill(parent, key, make) {
  if (shown.get(parent) === key) return false;
  shown.set(parent, key);
  parent.replaceChildren(...[make()].flat(2).filter(Boolean));
  return true;
}

/**
 * Keeps one child of `parent` for each item, in their order. Children stay the same elements over calls, so that
 * focus, selection and open details survive. `make(item)` gives `{ node, update }`.
 */
const kept = new WeakMap();
export function each(parent, items, keyOf, make) {
  const views = kept.get(parent) ?? new Map();
  kept.set(parent, views);
  const keys = new Set(items.map(keyOf));
  for (const [key, view] of views) {
    if (!keys.has(key)) {
      view.node.remove();
      views.delete(key);
    }
  }
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let view = views.get(key);
    if (!view) {
      view = make(item);
      views.set(key, view);
    }
    if (view.node !== next) parent.insertBefore(view.node, next);
    else next = next.nextElementSibling;
    view.update?.(item);
  }
  return views;
}
