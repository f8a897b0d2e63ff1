/** A button that copies a text, and says so for a moment. */

import { element } from "./dom.js";

const SAID_FOR = 2000; // ms

/**
 * @param {HTMLElement} button
 * @param {string} text
 * @param {(key: "copy" | "copied") => string} say
 */
export async function copy(button, text, say) {
  if (!(await written(text))) selected(button, text);
  button.textContent = say("copied");
  setTimeout(() => (button.textContent = say("copy")), SAID_FOR);
}

/** Whether the clipboard took it: plain HTTP has none, and a browser may refuse. @param {string} text */
async function written(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The old way, which takes what is selected.
 * @param {HTMLElement} button
 * @param {string} text
 */
function selected(button, text) {
  const area = element("textarea", { "aria-hidden": "true", class: "offscreen" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  button.focus();
}
