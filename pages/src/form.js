/** The inputs of an app, as a form made of what Dify tells of it. */

import { element } from "./dom.js";
import { BadInput } from "./troubles.js";
import { text } from "./words.js";

/**
 * @typedef {import("./api.js").App} App
 * @typedef {import("./api.js").Field} Field
 * @typedef {import("./api.js").DifyFile} DifyFile
 * @typedef {(file: File) => Promise<DifyFile>} Upload
 * @typedef {{ field: Field, control: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement }} Control
 */

export class Form {
  /** @param {App} app */
  constructor(app) {
    this.canUpload = app.transport === "service_api";
    /** @type {Control[]} */
    this.controls = [];
    const fields = (app.inputs ?? []).map((field) => this.#row(app, field));
    this.element = element("div", { class: "form" }, ...fields);
  }

  /**
   * What was filled in, by name; empty fields are left out, for an app's defaults to hold. Throws `BadInput`, before
   * any file is uploaded.
   * @param {Upload} upload
   * @returns {Promise<Record<string, unknown>>}
   */
  async values(upload) {
    /** @type {Record<string, unknown>} */
    const values = {};
    /** @type {Control[]} */
    const withFiles = [];
    for (const each of this.controls) {
      const { field, control } = each;
      const isFile = filesOf(control).length > 0;
      const value = isFile ? undefined : valueOf(field, control);
      if (value === undefined && !isFile && field.required) throw new BadInput("missing", labelOf(field), control);
      if (isFile) withFiles.push(each);
      if (value !== undefined) values[field.name] = value;
    }
    for (const { field, control } of withFiles) {
      const uploaded = await Promise.all(filesOf(control).map(upload));
      values[field.name] = field.type === "file" ? uploaded[0] : uploaded;
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
    const mark = field.required ? element("span", { class: "required" }, " (", text("required"), ")") : null;
    const hints = [field.description, ...this.#hints(field)].filter(Boolean);
    const spaced = hints.flatMap((each) => [each, " "]);
    const hint = hints.length ? element("p", { class: "hint", id: `${id}-hint` }, ...spaced) : null;
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
    const shared = { id, "aria-required": field.required ? "true" : undefined };
    const preset = field.default === undefined || field.default === null ? "" : field.default;
    const value = typeof preset === "object" ? JSON.stringify(preset) : String(preset);
    const length = field.max_length && !takesFiles(field) ? String(field.max_length) : undefined;
    switch (field.type) {
      case "select":
        return element(
          "select",
          shared,
          element("option", { value: "" }, "–"),
          ...(field.options ?? []).map((option) => element("option", { value: option, selected: option === value }, option)),
        );
      case "checkbox":
        return element("input", { ...shared, type: "checkbox", checked: preset === true || value === "true" });
      case "number":
        return element("input", { ...shared, type: "number", step: "any", value });
      case "paragraph":
        return withText(element("textarea", { ...shared, rows: "3", maxlength: length }), value);
      case "json_object":
        return withText(element("textarea", { ...shared, rows: "3", placeholder: "{}", spellcheck: "false" }), value);
      case "file":
      case "file-list":
        return this.canUpload
          ? element("input", { ...shared, type: "file", multiple: field.type === "file-list" })
          : element("input", { ...shared, type: "url", placeholder: "https://…" });
      default:
        return element("input", { ...shared, type: "text", value, maxlength: length });
    }
  }

  /** @param {Field} field */
  #hints(field) {
    if (!takesFiles(field)) return field.type === "json_object" ? [text("jsonHint")] : [];
    const types = field.file_types?.length ? `(${field.file_types.join(", ")})` : "";
    return this.canUpload ? [types] : [text("linkHint"), types];
  }
}

/**
 * @param {Control["control"]} control
 * @returns {File[]}
 */
function filesOf(control) {
  return control instanceof HTMLInputElement ? [...(control.files ?? [])] : [];
}

/**
 * @param {Field} field
 * @param {Control["control"]} control
 * @returns {unknown} undefined for nothing
 */
function valueOf(field, control) {
  if (control instanceof HTMLInputElement && control.type === "checkbox") return control.checked;
  // What is no number leaves the value of its field empty.
  if (!control.validity.valid) throw new BadInput(field.type === "number" ? "noNumber" : "noLink", labelOf(field), control);
  const written = control.value.trim();
  if (!written) return undefined;
  if (field.type === "number") return Number(written);
  if (takesFiles(field)) {
    const file = { type: field.file_types?.[0] ?? "document", transfer_method: "remote_url", url: written };
    return field.type === "file" ? file : [file];
  }
  if (field.type !== "json_object") return control.value;
  try {
    return JSON.parse(written);
  } catch {
    throw new BadInput("noJson", labelOf(field), control);
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
