/** A button that copies a text, and says so for a moment. */

import { element } from "./dom.js";

const SAID_FOR = 2000; // ms

/**
 * @param {HTMLElement} button
 * @param {string} text
 * @param {{ copy: string, copied: string }} says
 */
export async function copied(button, text, says) {
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else {
    // Plain HTTP has no clipboard; the old way takes what is selected.
    const area = element("textarea", { "aria-hidden": "true", class: "offscreen" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = says.copied;
  setTimeout(() => (button.textContent = says.copy), SAID_FOR);
}
