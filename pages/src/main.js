/** The page: the key, the apps that it opens, and for each a chat and ready snippets; the endpoint's health; the settings. */

import { BASE, Endpoint, Refusal } from "./api.js";
import { mount } from "./builder/index.js";
import { Chat } from "./chat.js";
import { copied } from "./clipboard.js";
import { byId, element, fill } from "./dom.js";
import { snippets } from "./snippets.js";
import { LANGUAGES, chosenLanguage, sayIn } from "./texts.js";

/**
 * @typedef {import("./api.js").App} App
 * @typedef {import("./api.js").Overview} Overview
 */

const KEPT = "duck-key"; // in this tab's storage, where the visitor has ticked so; named with the endpoint's path

let language = chosenLanguage();
let say = sayIn(language);
/** @type {Endpoint} */
let endpoint = new Endpoint("");
/** @type {Overview | null} */
let overview = null;
/** @type {App | null} */
let app = null;
/** @type {Chat | null} */
let chat = null;

/** All texts of the page that its HTML holds, and what was made of the endpoint's answer. */
function translate() {
  document.documentElement.lang = LANGUAGES[language].tag;
  for (const marked of document.querySelectorAll("[data-text]")) {
    marked.textContent = say(/** @type {import("./texts.js").Key} */ (marked.getAttribute("data-text")));
  }
  byId("base").textContent = `${BASE}/v1`;
  byId("language").setAttribute("aria-label", say("language"));
  mount(byId("builder"), language);
  if (overview) show(overview);
}

/** @param {string} key */
async function open(key) {
  const said = byId("key-problem");
  said.textContent = "";
  byId("apps").setAttribute("aria-busy", "true");
  try {
    endpoint = new Endpoint(key);
    const told = await endpoint.overview();
    if (!told.apps) throw new Refusal(say("needsKey"));
    overview = told;
    app = null;
    show(told);
  } catch (error) {
    overview = null;
    byId("opened").hidden = true;
    said.textContent = error instanceof TypeError ? say("unreached") : error instanceof Error ? error.message : String(error);
    throw error;
  } finally {
    byId("apps").removeAttribute("aria-busy");
  }
}

/** @param {Overview} told */
function show(told) {
  byId("opened").hidden = false;
  const apps = told.apps ?? [];
  choose(apps.find((one) => one.alias === app?.alias) ?? apps.find((one) => one.is_default) ?? apps[0] ?? null);
  health(told);
}

/** @param {App | null} chosen */
function choose(chosen) {
  chat?.leave();
  app = chosen;
  const entries = (overview?.apps ?? []).map((one) =>
    element(
      "li",
      {},
      element(
        "button",
        { type: "button", "aria-current": one === chosen ? "true" : undefined, onclick: () => choose(one) },
        element("span", { class: "name" }, one.title || one.alias),
        " ",
        element("span", { class: one.status === "ok" ? "kind" : "kind problem" }, one.status === "ok" ? one.kind : say("broken")),
      ),
    ),
  );
  fill(byId("apps"), ...(entries.length ? entries : [element("li", { class: "empty" }, say("noApps"))]));
  const panel = byId("app");
  if (!chosen) return fill(panel);
  chat = chosen.status === "ok" ? new Chat(chosen, endpoint, say) : null;
  fill(
    panel,
    element("h2", {}, chosen.title || chosen.alias),
    chosen.about ? element("p", { class: "about" }, chosen.about) : null,
    chat ? chat.element : element("p", { class: "problem" }, chosen.problem ?? ""),
    element("section", { class: "use", "aria-label": say("use") }, element("h3", {}, say("use")), tabs(chosen)),
  );
}

/** @param {App} chosen */
function tabs(chosen) {
  const listed = snippets(chosen, BASE);
  const text = element("code", {});
  const panel = element("div", { role: "tabpanel", id: "snippet", tabindex: "0" }, element("pre", {}, text));
  const buttons = listed.map((snippet) =>
    element("button", { type: "button", role: "tab", id: `tab-${snippet.id}`, "aria-controls": "snippet" }, snippet.label),
  );
  /** @param {number} index */
  const select = (index) => {
    buttons.forEach((button, at) => {
      button.setAttribute("aria-selected", String(at === index));
      button.tabIndex = at === index ? 0 : -1;
    });
    text.textContent = listed[index]?.text ?? "";
    panel.setAttribute("aria-labelledby", buttons[index]?.id ?? "");
  };
  const bar = element("div", { role: "tablist", "aria-label": say("use") }, ...buttons);
  buttons.forEach((button, index) => button.addEventListener("click", () => select(index)));
  bar.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    const index = (buttons.findIndex((button) => button.tabIndex === 0) + step + buttons.length) % buttons.length;
    select(index);
    buttons[index]?.focus();
  });
  select(0);
  return element("div", { class: "tabs" }, bar, panel, copyButton(() => text.textContent ?? ""));
}

/** @param {() => string} text */
function copyButton(text) {
  const button = element("button", { type: "button", class: "quiet copy" }, say("copy"));
  button.addEventListener("click", () => copy(button, text()));
  return button;
}

/**
 * @param {HTMLElement} button
 * @param {string} text
 */
function copy(button, text) {
  void copied(button, text, { copy: say("copy"), copied: say("copied") });
}

/** @param {Overview} told */
function health(told) {
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
      element("th", { scope: "row" }, say(/** @type {import("./texts.js").Key} */ (`limit_${limit.name}`))),
      element("td", {}, `${limit.value.toLocaleString(LANGUAGES[language].tag)} ${limit.unit}`),
      element("td", {}, limit.lifted_by ? element("code", {}, limit.lifted_by) : "–"),
    ),
  );
  const faults = (told.faults ?? []).map((fault) => element("li", { class: "problem" }, fault));
  fill(
    byId("health"),
    table([say("app"), say("state"), say("way")], rows),
    element("h3", {}, say("limits")),
    table([say("limit"), say("value"), say("lifted")], limits),
    element("h3", {}, say("faults")),
    faults.length ? element("ul", {}, ...faults) : element("p", {}, say("noFaults")),
  );
}

/**
 * @param {string[]} names
 * @param {HTMLElement[]} rows
 */
function table(names, rows) {
  const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
  return element("div", { class: "wide", tabindex: "0", role: "group" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}

/** The tab's storage, which a browser may refuse. @param {string | null} key null forgets */
function keep(key) {
  const name = `${KEPT}:${BASE}`;
  try {
    if (key === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, key);
  } catch {
    // The key stays in memory.
  }
}

function kept() {
  try {
    return sessionStorage.getItem(`${KEPT}:${BASE}`) ?? "";
  } catch {
    return "";
  }
}

function begin() {
  const key = byId("key");
  if (!(key instanceof HTMLInputElement)) return;
  const tick = /** @type {HTMLInputElement} */ (byId("keep"));
  byId("enter").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await open(key.value.trim());
      keep(tick.checked && key.value ? key.value.trim() : null);
    } catch {
      key.focus();
    }
  });
  const languages = /** @type {HTMLSelectElement} */ (byId("language"));
  fill(languages, ...Object.entries(LANGUAGES).map(([name, { label }]) => element("option", { value: name, selected: name === language }, label)));
  languages.addEventListener("change", () => {
    language = /** @type {import("./texts.js").Language} */ (languages.value);
    say = sayIn(language);
    translate();
  });
  byId("base-copy").addEventListener("click", () => copy(byId("base-copy"), `${BASE}/v1`));
  byId("built").hidden = false;
  translate();
  key.value = kept();
  tick.checked = key.value !== "";
  open(key.value).catch(() => {
    if (!key.value) byId("key-problem").textContent = ""; // nobody has tried a key yet
  });
}

begin();
