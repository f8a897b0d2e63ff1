/** The settings helper: fields that write a setting's one line, and a line that is read aloud, entry by entry. */

import { copied } from "../clipboard.js";
import { element, fill } from "../dom.js";
import { KINDS, SCHEMES, read } from "./read.js";
import { TEXTS } from "./texts.js";
import { FIELDS, written } from "./write.js";

/**
 * @typedef {import("./read.js").Setting} Setting
 * @typedef {import("./write.js").Row} Row
 * @typedef {import("./texts.js").Key} Key
 */

const SETTINGS = /** @type {Setting[]} */ (Object.keys(FIELDS));
/** @type {Record<string, string[]>} */
const CHOICES = { kind: ["", ...KINDS], scheme: SCHEMES };
const SECRETS = new Set(["key", "secret"]);
const RANDOM_BYTES = 24;

/**
 * Puts the helper into an element.
 * @param {HTMLElement} parent
 * @param {import("../texts.js").Language} language
 */
export function mount(parent, language) {
  const builder = new Builder(language);
  fill(parent, ...builder.elements);
}

class Builder {
  /** @param {import("../texts.js").Language} language */
  constructor(language) {
    this.texts = TEXTS[language];
    /** @type {Setting} */
    this.setting = "apps";
    const options = SETTINGS.map((name) => element("option", { value: name, selected: name === this.setting }, name));
    const select = element("select", { id: "builder-setting", onchange: () => this.#choose(/** @type {Setting} */ (select.value)) }, ...options);
    this.rows = element("div", { class: "rows" });
    this.line = element("textarea", { id: "builder-line", rows: "3", spellcheck: "false", autocomplete: "off", oninput: () => this.#explain() });
    this.entries = element("ol", { class: "entries", "aria-live": "polite" });
    const copy = element("button", { type: "button", class: "quiet copy", onclick: () => this.#copy(copy) }, this.#say("copy"));
    this.elements = [
      element("p", { class: "hint" }, this.#say("intro")),
      element("div", { class: "field" }, element("label", { for: "builder-setting" }, this.#say("setting")), select),
      this.rows,
      element("button", { type: "button", class: "quiet", onclick: () => this.#add() }, this.#say("add")),
      element("div", { class: "field" }, element("label", { for: "builder-line" }, this.#say("line")), this.line),
      copy,
      this.entries,
    ];
    this.#choose(this.setting);
  }

  /** @param {Setting} setting */
  #choose(setting) {
    this.setting = setting;
    fill(this.rows);
    this.line.value = "";
    this.#add();
    this.#explain();
  }

  #add() {
    const number = this.rows.children.length + 1;
    const remove = element("button", { type: "button", class: "quiet", onclick: () => void (row.remove(), this.#write()) }, this.#say("remove"));
    const fields = FIELDS[this.setting].map((name) => this.#field(name, number));
    const row = element("fieldset", {}, element("legend", {}, `${this.#say("entry")} ${number}`), ...fields, remove);
    this.rows.append(row);
  }

  /**
   * @param {string} name
   * @param {number} number
   */
  #field(name, number) {
    const id = `builder-${this.setting}-${number}-${name}`;
    const shared = { id, "data-field": name, oninput: () => void this.#write() };
    const choices = CHOICES[name];
    const control = choices
      ? element("select", shared, ...choices.map((choice) => element("option", { value: choice }, choice || "–")))
      : element("input", { ...shared, type: "text", autocomplete: "off", spellcheck: "false" });
    const random = SECRETS.has(name)
      ? element("button", { type: "button", class: "quiet copy", onclick: () => this.#randomize(control, number) }, this.#say("random"))
      : null;
    const label = element("label", { for: id }, this.#say(/** @type {Key} */ (`field_${name}`)));
    return element("div", { class: "field" }, label, control, random);
  }

  /** @param {HTMLInputElement | HTMLSelectElement} control @param {number} number */
  #randomize(control, number) {
    const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
    const scheme = this.rows.querySelector(`#builder-webhook_secrets-${number}-scheme`);
    const asBase64 = scheme instanceof HTMLSelectElement && ["standard", "svix", "stripe"].includes(scheme.value);
    control.value = asBase64 ? `whsec_${btoa(String.fromCharCode(...bytes))}` : hex(bytes);
    void this.#write();
  }

  async #write() {
    const rows = [...this.rows.children].map((row) => valuesIn(row));
    try {
      this.line.value = await written(this.setting, rows, sha256);
      this.#explain();
    } catch (error) {
      if (!(error instanceof Insecure)) throw error;
      fill(this.entries, element("li", { class: "problem" }, this.#say("insecure")));
    }
  }

  #explain() {
    const items = read(this.setting, this.line.value).map(({ isFine, told }) =>
      element("li", { class: isFine ? "fine" : "problem" }, this.#say(told.key, told.values)),
    );
    fill(this.entries, ...items);
  }

  /** @param {HTMLElement} button */
  #copy(button) {
    void copied(button, this.line.value, { copy: this.#say("copy"), copied: this.#say("copied") });
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
