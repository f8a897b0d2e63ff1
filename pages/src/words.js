/** The page's texts where they stand: each element says by its attributes which text it holds, so that all follow the language. */

import { element } from "./dom.js";
import { LANGUAGES, chosenLanguage, sayIn } from "./texts.js";
import { Trouble } from "./troubles.js";

/**
 * @typedef {import("./texts.js").Key} Key
 * @typedef {import("./texts.js").Language} Language
 * @typedef {import("./troubles.js").Values} Values
 */

/** @type {Language} */
let spoken = chosenLanguage();
let speaker = sayIn(spoken);

export function language() {
  return spoken;
}

/** The language's BCP 47 tag. */
export function tag() {
  return LANGUAGES[spoken].tag;
}

/** All texts from now on. @param {Language} chosen */
export function speak(chosen) {
  spoken = chosen;
  speaker = sayIn(chosen);
}

/** @param {Key} key @param {Values} [values] */
export function say(key, values) {
  return speaker(key, values);
}

/** @param {Key} key @param {Values} [values] */
export function text(key, values) {
  const stands = values ? JSON.stringify(values) : undefined;
  return element("span", { "data-text": key, "data-values": stands }, say(key, values));
}

/** The attributes of an element whose name is this text. @param {Key} key */
export function label(key) {
  return { "aria-label": say(key), "data-label": key };
}

/** @param {Key} key */
export function placeholder(key) {
  return { placeholder: say(key), "data-placeholder": key };
}

/** What went wrong, to be shown. @param {unknown} error */
export function told(error) {
  if (error instanceof Trouble) return text(error.key, error.values);
  return error instanceof Error ? error.message : String(error);
}

/** Puts all texts in an element into the present language. @param {ParentNode} parent */
export function translate(parent) {
  for (const marked of parent.querySelectorAll("[data-text]")) {
    marked.textContent = say(keyIn(marked, "data-text"), JSON.parse(marked.getAttribute("data-values") ?? "{}"));
  }
  for (const marked of parent.querySelectorAll("[data-label]")) marked.setAttribute("aria-label", say(keyIn(marked, "data-label")));
  for (const marked of parent.querySelectorAll("[data-placeholder]")) {
    marked.setAttribute("placeholder", say(keyIn(marked, "data-placeholder")));
  }
}

/** @param {Element} marked @param {string} attribute */
function keyIn(marked, attribute) {
  return /** @type {Key} */ (marked.getAttribute(attribute));
}
