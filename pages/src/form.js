/** The inputs of an app, as a form made of what Dify tells of it. */

import { element } from "./dom.js";

/**
 * @typedef {import("./api.js").App} App
 * @typedef {import("./api.js").Field} Field
 * @typedef {import("./api.js").DifyFile} DifyFile
 * @typedef {(key: import("./texts.js").Key, values?: Record<string, string>) => string} Say
 * @typedef {(file: File) => Promise<DifyFile>} Upload
 * @typedef {{ field: Field, control: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement }} Control
 */

/** A value that can't be sent, and the field that it is in. */
export class BadInput extends Error {
  /**
   * @param {string} message
   * @param {HTMLElement} control
   */
  constructor(message, control) {
    super(message);
    this.control = control;
  }
}

export class Form {
  /**
   * @param {App} app
   * @param {Say} say
   */
  constructor(app, say) {
    this.say = say;
    this.canUpload = app.transport === "service_api";
    /** @type {Control[]} */
    this.controls = [];
    const fields = (app.inputs ?? []).map((field) => this.#row(app, field));
    this.element = element("div", { class: "form" }, ...fields);
  }

  /**
   * What was filled in, by name; empty fields are left out, for an app's defaults to hold.
   * @param {Upload} upload
   * @returns {Promise<Record<string, unknown>>}
   */
  async values(upload) {
    /** @type {Record<string, unknown>} */
    const values = {};
    for (const { field, control } of this.controls) {
      const value = await this.#value(field, control, upload);
      if (value === undefined && field.required) throw new BadInput(this.say("missing", { name: labelOf(field) }), control);
      if (value !== undefined) values[field.name] = value;
    }
    return values;
  }

  /**
   * @param {App} app
   * @param {Field} field
   */
  #row(app, field) {
    const id = `input-${app.alias}-${field.name}`;
    const control = this.#control(field, id);
    this.controls.push({ field, control });
    const mark = field.required ? element("span", { class: "required" }, ` (${this.say("required")})`) : null;
    const hints = [field.description, this.#hint(field)].filter(Boolean).join(" ");
    const hint = hints ? element("p", { class: "hint", id: `${id}-hint` }, hints) : null;
    if (hint) control.setAttribute("aria-describedby", hint.id);
    const label = element("label", { for: id }, labelOf(field), mark);
    return field.type === "checkbox"
      ? element("div", { class: "field check" }, control, label, hint)
      : element("div", { class: "field" }, label, control, hint);
  }

  /**
   * @param {Field} field
   * @param {string} id
   */
  #control(field, id) {
    const shared = { id, name: field.name, "aria-required": field.required ? "true" : undefined };
    const preset = field.default === undefined || field.default === null ? "" : field.default;
    const text = typeof preset === "object" ? JSON.stringify(preset) : String(preset);
    const length = field.max_length && !takesFiles(field) ? String(field.max_length) : undefined;
    switch (field.type) {
      case "select":
        return element(
          "select",
          shared,
          element("option", { value: "" }, "–"),
          ...(field.options ?? []).map((option) => element("option", { value: option, selected: option === text }, option)),
        );
      case "checkbox":
        return element("input", { ...shared, type: "checkbox", checked: preset === true || text === "true" });
      case "number":
        return element("input", { ...shared, type: "number", step: "any", value: text });
      case "paragraph":
        return withText(element("textarea", { ...shared, rows: "3", maxlength: length }), text);
      case "json_object":
        return withText(element("textarea", { ...shared, rows: "3", placeholder: "{}", spellcheck: "false" }), text);
      case "file":
      case "file-list":
        return this.canUpload
          ? element("input", { ...shared, type: "file", multiple: field.type === "file-list" })
          : element("input", { ...shared, type: "url", placeholder: "https://…" });
      default:
        return element("input", { ...shared, type: "text", value: text, maxlength: length });
    }
  }

  /** @param {Field} field */
  #hint(field) {
    if (!takesFiles(field)) return field.type === "json_object" ? this.say("jsonHint") : "";
    const types = field.file_types?.length ? `(${field.file_types.join(", ")})` : "";
    return this.canUpload ? types : `${this.say("linkHint")} ${types}`.trim();
  }

  /**
   * @param {Field} field
   * @param {Control["control"]} control
   * @param {Upload} upload
   * @returns {Promise<unknown>} undefined for nothing
   */
  async #value(field, control, upload) {
    if (control instanceof HTMLInputElement && control.type === "file") {
      const files = await Promise.all([...(control.files ?? [])].map(upload));
      return files.length ? (field.type === "file" ? files[0] : files) : undefined;
    }
    if (control instanceof HTMLInputElement && control.type === "checkbox") return control.checked;
    const text = control.value.trim();
    if (!text) return undefined;
    if (field.type === "number") return Number(text);
    if (takesFiles(field)) {
      const file = { type: field.file_types?.[0] ?? "document", transfer_method: "remote_url", url: text };
      return field.type === "file" ? file : [file];
    }
    if (field.type !== "json_object") return control.value;
    try {
      return JSON.parse(text);
    } catch {
      throw new BadInput(this.say("noJson", { name: labelOf(field) }), control);
    }
  }
}

/** @param {Field} field */
function labelOf(field) {
  return field.label || field.name;
}

/** @param {Field} field */
function takesFiles(field) {
  return field.type === "file" || field.type === "file-list";
}

/**
 * @param {HTMLTextAreaElement} area
 * @param {string} text
 */
function withText(area, text) {
  area.value = text;
  return area;
}
