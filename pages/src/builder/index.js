/** The settings helper: fields that write a setting's one line, and a line that is read aloud, entry by entry. */

import { copy } from "../clipboard.js";
import { element, fill } from "../dom.js";
import { KINDS, SCHEMES, read } from "./read.js";
import { TEXTS } from "./texts.js";
import { FIELDS, written } from "./write.js";

/**
 * @typedef {import("./read.js").Setting} Setting
 * @typedef {import("./write.js").Row} Row
 * @typedef {import("./texts.js").Key} Key
 * @typedef {import("../texts.js").Language} Language
 */

const SETTINGS = /** @type {Setting[]} */ (Object.keys(FIELDS));
/** @type {Record<string, string[]>} */
const CHOICES = { kind: ["", ...KINDS], scheme: SCHEMES };
const SECRETS = new Set(["key", "secret"]);
const RANDOM_BYTES = 24;
const BASE64 = new Set(["standard", "svix"]);
const MADE_BY_SENDER = new Set(["stripe", "slack"]);

export class Builder {
  /**
   * @param {HTMLElement} parent what the helper is put into
   * @param {Language} language
   */
  constructor(parent, language) {
    this.parent = parent;
    this.texts = TEXTS[language];
    /** @type {Setting} */
    this.setting = "apps";
    this.rows = element("div", { class: "rows" });
    this.line = element("textarea", { id: "builder-line", rows: "3", spellcheck: "false", autocomplete: "off", oninput: () => this.#pasted() });
    this.entries = element("ol", { class: "entries", "aria-live": "polite" });
    /** What the line held before anything was filled in. */
    this.before = "";
    /** Ever growing, so that no two rows share an id. */
    this.made = 0;
    /** Only the last writing counts, however long a hash takes. */
    this.writings = 0;
    this.#lay();
    this.#choose(this.setting);
  }

  /** The same in another language. @param {Language} language */
  speak(language) {
    if (this.texts === TEXTS[language]) return;
    this.texts = TEXTS[language];
    const rows = [...this.rows.children].map((row) => valuesIn(row));
    this.#lay();
    this.#clear();
    for (const row of rows) this.#add(row);
    this.#explain();
  }

  #lay() {
    const options = SETTINGS.map((name) => element("option", { value: name, selected: name === this.setting }, name));
    const select = element("select", { id: "builder-setting", onchange: () => this.#choose(/** @type {Setting} */ (select.value)) }, ...options);
    const button = element("button", { type: "button", class: "quiet copy" }, this.#say("copy"));
    button.addEventListener("click", () => copy(button, this.line.value, (key) => this.#say(key)));
    fill(
      this.parent,
      element("p", { class: "hint" }, this.#say("intro")),
      element("div", { class: "field" }, element("label", { for: "builder-setting" }, this.#say("setting")), select),
      this.rows,
      element("button", { type: "button", class: "quiet", onclick: () => this.#add() }, this.#say("add")),
      element("div", { class: "field" }, element("label", { for: "builder-line" }, this.#say("line")), this.line),
      button,
      this.entries,
    );
  }

  /** @param {Setting} setting */
  #choose(setting) {
    this.setting = setting;
    this.line.value = "";
    this.#pasted();
  }

  /** The line is somebody's own: what is filled in from now on is added to it. */
  #pasted() {
    this.writings += 1;
    this.before = this.line.value;
    this.#clear();
    this.#add();
    this.#explain();
  }

  #clear() {
    fill(this.rows);
    this.made = 0;
  }

  /** @param {Row} [values] */
  #add(values = {}) {
    const number = ++this.made;
    const remove = element("button", { type: "button", class: "quiet", onclick: () => void (row.remove(), this.#write()) }, this.#say("remove"));
    const row = element("fieldset", {}, element("legend", {}, `${this.#say("entry")} ${number}`));
    row.append(...FIELDS[this.setting].map((name) => this.#field(name, number, row, values[name] ?? "")), remove);
    this.rows.append(row);
    this.#offer(row);
  }

  /**
   * @param {string} name
   * @param {number} number the row's
   * @param {Element} row
   * @param {string} value
   */
  #field(name, number, row, value) {
    const id = `builder-${this.setting}-${number}-${name}`;
    const shared = { id, "data-field": name, oninput: () => void (this.#offer(row), this.#write()) };
    const choices = CHOICES[name];
    const control = choices
      ? element("select", shared, ...choices.map((choice) => element("option", { value: choice }, choice || "–")))
      : element("input", { ...shared, type: "text", autocomplete: "off", spellcheck: "false" });
    if (value) control.value = value;
    const random = SECRETS.has(name)
      ? element("button", { type: "button", class: "quiet copy random", onclick: () => this.#randomize(control, row) }, this.#say("random"))
      : null;
    const label = element("label", { for: id }, this.#say(/** @type {Key} */ (`field_${name}`)));
    return element("div", { class: "field" }, label, control, random);
  }

  /** A secret is made here unless the sender gives out its own. @param {Element} row */
  #offer(row) {
    const button = row.querySelector(".random");
    if (button instanceof HTMLElement) button.hidden = MADE_BY_SENDER.has(valuesIn(row)["scheme"] ?? "");
  }

  /** @param {HTMLInputElement | HTMLSelectElement} control @param {Element} row */
  #randomize(control, row) {
    const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
    const isBase64 = BASE64.has(valuesIn(row)["scheme"] ?? "");
    control.value = isBase64 ? `whsec_${btoa(String.fromCharCode(...bytes))}` : hex(bytes);
    void this.#write();
  }

  async #write() {
    const writing = ++this.writings;
    const rows = [...this.rows.children].map((row) => valuesIn(row));
    try {
      const line = await written(this.setting, rows, sha256, this.before);
      if (writing !== this.writings) return;
      this.line.value = line;
      this.#explain();
    } catch (error) {
      if (!(error instanceof Insecure)) throw error;
      if (writing !== this.writings) return;
      this.line.value = this.before;
      fill(this.entries, element("li", { class: "problem" }, this.#say("insecure")));
    }
  }

  #explain() {
    const items = read(this.setting, this.line.value).map(({ isFine, told }) =>
      element("li", { class: isFine ? "fine" : "problem" }, this.#say(told.key, told.values)),
    );
    fill(this.entries, ...items);
  }

  /** @param {Key} key @param {Record<string, string>} [values] */
  #say(key, values = {}) {
    return this.texts[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }
}

/** A page of plain HTTP has no WebCrypto. */
class Insecure extends Error {}

/** @param {string} text */
async function sha256(text) {
  if (!globalThis.crypto?.subtle) throw new Insecure();
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

/** @param {Uint8Array} bytes */
function hex(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {Element} row @returns {Row} */
function valuesIn(row) {
  const controls = /** @type {NodeListOf<HTMLInputElement | HTMLSelectElement>} */ (row.querySelectorAll("[data-field]"));
  return Object.fromEntries([...controls].map((control) => [control.getAttribute("data-field") ?? "", control.value]));
}
