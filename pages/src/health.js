/** The health panel: which app can be reached and how, which limits hold, and the faults of the settings. */

import { element, fill } from "./dom.js";
import { label, say, tag } from "./words.js";

/**
 * @typedef {import("./api.js").Limit} Limit
 * @typedef {import("./api.js").Overview} Overview
 * @typedef {import("./texts.js").Key} Key
 */

/**
 * @param {HTMLElement} panel
 * @param {Overview} told
 */
export function health(panel, told) {
  const rows = (told.apps ?? []).map((one) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, one.alias),
      element("td", { class: one.status === "ok" ? "fine" : "problem" }, one.status === "ok" ? say("reached") : (one.problem ?? one.status)),
      element("td", {}, one.transport === "service_api" ? say("byKey") : one.transport === "reverse" ? say("byDaemon") : ""),
    ),
  );
  const limits = (told.limits ?? []).map((limit) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, say(/** @type {Key} */ (`limit_${limit.name}`))),
      element("td", {}, amount(limit)),
      element("td", {}, limit.lifted_by ? element("code", {}, limit.lifted_by) : "–"),
    ),
  );
  fill(
    panel,
    table("health", [say("app"), say("state"), say("way")], rows),
    element("h3", {}, say("limits")),
    table("limits", [say("limit"), say("value"), say("lifted")], limits),
    ...(told.faults ? faults(told.faults) : []),
  );
}

/** @param {Limit} limit */
function amount({ value, unit, period }) {
  return say(/** @type {Key} */ (`unit_${unit}`), { value: value.toLocaleString(tag()), period: String(period ?? "") });
}

/** Not every caller is told of them. @param {string[]} told */
function faults(told) {
  const listed = told.map((fault) => element("li", { class: "problem" }, fault));
  return [element("h3", {}, say("faults")), listed.length ? element("ul", {}, ...listed) : element("p", {}, say("noFaults"))];
}

/**
 * @param {Key} name
 * @param {string[]} columns
 * @param {HTMLElement[]} rows
 */
function table(name, columns, rows) {
  const head = element("tr", {}, ...columns.map((column) => element("th", { scope: "col" }, column)));
  const whole = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  return element("div", { class: "wide", tabindex: "0", role: "group", ...label(name) }, whole);
}
