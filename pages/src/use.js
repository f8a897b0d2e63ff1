/** How an app is used from somewhere else: its addresses, and ready snippets by client. */

import { BASE } from "./api.js";
import { copy } from "./clipboard.js";
import { element } from "./dom.js";
import { snippets } from "./snippets.js";
import { label, say, text } from "./words.js";

/** @param {import("./api.js").App} app */
export function use(app) {
  const facts = element(
    "dl",
    { class: "facts" },
    element("dt", {}, text("model")),
    element("dd", {}, element("code", {}, app.alias)),
    element("dt", {}, text("difyUrl")),
    element("dd", {}, element("code", {}, `${BASE}/apps/${app.alias}/v1`)),
  );
  return element("section", { class: "use", ...label("use") }, element("h3", {}, text("use")), facts, tabs(app));
}

/** @param {import("./api.js").App} app */
function tabs(app) {
  const listed = snippets(app, BASE);
  const shown = element("code", {});
  const panel = element("div", { role: "tabpanel", id: "snippet", tabindex: "0" }, element("pre", {}, shown));
  const buttons = listed.map((snippet) =>
    element("button", { type: "button", role: "tab", id: `tab-${snippet.id}`, "aria-controls": "snippet" }, snippet.label),
  );
  /** @param {number} index */
  const select = (index) => {
    buttons.forEach((button, at) => {
      button.setAttribute("aria-selected", String(at === index));
      button.tabIndex = at === index ? 0 : -1;
    });
    shown.textContent = listed[index]?.text ?? "";
    panel.setAttribute("aria-labelledby", buttons[index]?.id ?? "");
  };
  const bar = element("div", { role: "tablist", ...label("use") }, ...buttons);
  buttons.forEach((button, index) => button.addEventListener("click", () => select(index)));
  bar.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    const index = (buttons.findIndex((button) => button.tabIndex === 0) + step + buttons.length) % buttons.length;
    select(index);
    buttons[index]?.focus();
  });
  select(0);
  const button = element("button", { type: "button", class: "quiet copy", "data-text": "copy" }, say("copy"));
  button.addEventListener("click", () => copy(button, shown.textContent ?? "", say));
  return element("div", { class: "tabs" }, bar, panel, button);
}
