// Builds the page. Every text from outside comes through here and becomes a text node.

const svgSpace = "http://www.w3.org/2000/svg";

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

function dress(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value))
        element.addEventListener(event, listener);
    } else if (name === "key") {
      element.dataset.key = value;
    } else if (name.startsWith("on") || name === "style") {
      throw new Error(`attribute ${name}: scripts and styles have files of their own`);
    } else if (name === "href" && !/^[#/]/.test(value)) {
      throw new Error("attribute href: foreign addresses go through outside()");
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  return element;
}

// h("p", { class: "x", key: "focus is kept by this" }, "text", element, [more]).
export function h(tag, attributes = {}, ...children) {
  return append(dress(document.createElement(tag), attributes), children);
}

export function svg(tag, attributes = {}, ...children) {
  return append(dress(document.createElementNS(svgSpace, tag), attributes), children);
}

// A link to somewhere else, or only its text when it is no web address.
export function outside(text) {
  let url = null;
  try {
    url = new URL(text);
  } catch {
    // No address at all.
  }
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:"))
    return String(text ?? "");
  const link = h(
    "a",
    { target: "_blank", rel: "noopener noreferrer nofollow", key: `out ${text}` },
    text,
  );
  link.setAttribute("href", url.href);
  return link;
}

// Replaces what is inside, and keeps the focus, what is open, and how far it was scrolled, by keys.
export function redraw(place, ...children) {
  const active = document.activeElement;
  const focus = active && place.contains(active) ? active.dataset.key : undefined;
  const open = new Map();
  const scrolled = new Map();
  for (const one of place.querySelectorAll("details[data-key]"))
    open.set(one.dataset.key, one.open);
  for (const one of place.querySelectorAll(".scroll[data-key]"))
    scrolled.set(one.dataset.key, one.scrollTop);
  place.replaceChildren();
  append(place, children);
  for (const one of place.querySelectorAll("[data-key]")) {
    if (open.has(one.dataset.key)) one.open = open.get(one.dataset.key);
    if (scrolled.has(one.dataset.key)) one.scrollTop = scrolled.get(one.dataset.key);
    if (focus !== undefined && one.dataset.key === focus) one.focus({ preventScroll: true });
  }
}

// Nobody likes a text that goes away while it is being marked.
export function isBeingRead(place) {
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed && place.contains(selection.anchorNode);
}
