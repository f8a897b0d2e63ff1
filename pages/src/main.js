/** The page: the key, the apps that it opens, and for each a chat and ready snippets; the endpoint's health; the settings. */

import { BASE, Endpoint } from "./api.js";
import { Builder } from "./builder/index.js";
import { Chat } from "./chat.js";
import { copy } from "./clipboard.js";
import { byId, element, fill } from "./dom.js";
import { health } from "./health.js";
import { keep, kept } from "./kept_key.js";
import { LANGUAGES } from "./texts.js";
import { Trouble } from "./troubles.js";
import { use } from "./use.js";
import { language, say, speak, tag, text, told, translate } from "./words.js";

/**
 * @typedef {import("./api.js").App} App
 * @typedef {import("./api.js").Overview} Overview
 */

/** What a key has opened. @type {{ endpoint: Endpoint, overview: Overview } | null} */
let opened = null;
/** How often a key was tried: only the last try counts, whichever reply comes last. */
let tries = 0;
/** @type {App | null} */
let app = null;
/** Of what has been looked at, by alias, so that going back finds all as it was. @type {Map<string, Chat>} */
const chats = new Map();
/** @type {Map<App, HTMLElement>} */
let choices = new Map();
/** @type {Builder} */
let builder;

/** @param {string} key */
async function open(key) {
  const tried = ++tries;
  present()?.leave();
  fill(byId("key-problem"));
  fill(byId("key-opened"));
  byId("apps").setAttribute("aria-busy", "true");
  try {
    const endpoint = new Endpoint(key);
    const overview = await endpoint.overview();
    if (tried !== tries) return;
    if (!overview.apps) throw new Trouble("needsKey");
    opened = { endpoint, overview };
    keepAsTicked();
    show(overview.apps);
    health(byId("health"), overview);
    fill(byId("key-opened"), text("opened", { count: String(overview.apps.length) }));
  } catch (error) {
    if (tried !== tries) return;
    opened = null;
    byId("opened").hidden = true;
    fill(byId("key-problem"), told(error));
    throw error;
  } finally {
    if (tried === tries) byId("apps").removeAttribute("aria-busy");
  }
}

/** A key is kept once it has opened the endpoint, as long as that is ticked. */
function keepAsTicked() {
  const { checked } = byId("keep", HTMLInputElement);
  keep(checked && opened?.endpoint.key ? opened.endpoint.key : null);
}

/** The chat that is looked at. */
function present() {
  return app ? chats.get(app.alias) : undefined;
}

/** @param {App[]} apps */
function show(apps) {
  byId("opened").hidden = false;
  chats.clear();
  choices = new Map(apps.map((one) => [one, choice(one)]));
  const entries = [...choices.values()].map((button) => element("li", {}, button));
  fill(byId("apps"), ...(entries.length ? entries : [element("li", { class: "empty" }, text("noApps"))]));
  choose(apps.find((one) => one.alias === app?.alias) ?? apps.find((one) => one.is_default) ?? apps[0] ?? null);
}

/** @param {App} one */
function choice(one) {
  const isFine = one.status === "ok";
  return element(
    "button",
    { type: "button", onclick: () => choose(one) },
    element("span", { class: "name" }, one.title || one.alias),
    " ",
    element("span", { class: isFine ? "kind" : "kind problem" }, isFine ? one.kind : text("broken")),
  );
}

/** @param {App | null} chosen */
function choose(chosen) {
  if (chosen && chosen === app) return;
  present()?.leave();
  app = chosen;
  for (const [one, button] of choices) {
    if (one === chosen) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  const panel = byId("app");
  if (!chosen) return fill(panel);
  fill(
    panel,
    element("h2", {}, chosen.title || chosen.alias),
    chosen.about ? element("p", { class: "about" }, chosen.about) : null,
    chosen.status === "ok" ? chatWith(chosen) : element("p", { class: "problem" }, chosen.problem ?? ""),
    use(chosen),
  );
  translate(panel); // a chat from before may speak another language
}

/** @param {App} chosen */
function chatWith(chosen) {
  if (!opened) return null;
  const chat = chats.get(chosen.alias) ?? new Chat(chosen, opened.endpoint);
  chats.set(chosen.alias, chat);
  return chat.element;
}

/** All that the page says, in the present language. */
function translated() {
  document.documentElement.lang = tag();
  translate(document);
  builder.speak(language());
  if (opened) health(byId("health"), opened.overview);
}

function begin() {
  const key = byId("key", HTMLInputElement);
  const tick = byId("keep", HTMLInputElement);
  const languages = byId("language", HTMLSelectElement);
  byId("enter").addEventListener("submit", (event) => {
    event.preventDefault();
    keep(null);
    open(key.value.trim()).catch(() => key.focus());
  });
  tick.addEventListener("change", keepAsTicked);
  const options = Object.entries(LANGUAGES).map(([name, { label }]) => element("option", { value: name, selected: name === language() }, label));
  fill(languages, ...options);
  languages.addEventListener("change", () => {
    speak(/** @type {import("./texts.js").Language} */ (languages.value));
    translated();
  });
  byId("base").textContent = `${BASE}/v1`;
  byId("base-copy").addEventListener("click", () => copy(byId("base-copy"), `${BASE}/v1`, say));
  byId("built").hidden = false;
  builder = new Builder(byId("builder"), language());
  translated();
  const first = kept();
  key.value = first;
  tick.checked = first !== "";
  open(first).catch(() => {
    if (!first) fill(byId("key-problem")); // nobody has tried a key yet
  });
}

begin();
