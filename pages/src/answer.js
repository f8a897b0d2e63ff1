/** A run's answer as it grows: the events of the native stream, joined into what is shown. Pure. */

/**
 * @typedef {import("./api.js").StreamEvent} StreamEvent
 * @typedef {{ id: string, title: string, state: string, error: string }} Line a step, or a tool
 */

const OVER = new Set(["succeeded", "success", "finished"]);
const BROKEN = new Set(["failed", "exception"]);

export class Answer {
  text = "";
  reasoning = "";
  conversation = "";
  /** @type {Map<string, Line>} */
  steps = new Map();
  /** @type {Map<string, Line>} */
  tools = new Map();
  /** @type {{ title: string, url: string }[]} */
  sources = [];
  /** @type {{ name: string, url: string }[]} */
  files = [];
  /** @type {Record<string, unknown> | null} */
  outputs = null;
  /** `""` while it runs; Dify's word, "failed" or "cut" at its end. */
  status = "";
  /** A sentence of Duck's, or what the page itself met. @type {unknown} */
  error = "";
  isPaused = false;

  /** @param {StreamEvent} event */
  add(event) {
    switch (event.event) {
      case "start":
        this.conversation = event.conversation_id ?? "";
        break;
      case "text":
        this.text += event.text;
        break;
      case "replace":
        this.text = event.text;
        break;
      case "reasoning":
        this.reasoning += event.text;
        break;
      case "step":
        this.#noted(this.steps, event, event.title || event.type || event.kind);
        break;
      case "tool":
        this.#noted(this.tools, event, event.name);
        break;
      case "sources":
        this.sources = event.items.map((/** @type {any} */ item) => ({ title: item.title || item.url || "", url: item.url || "" }));
        break;
      case "file":
        this.files.push({ name: event.filename || event.type, url: event.url || "" });
        break;
      case "paused":
        this.isPaused = true;
        break;
      case "end":
        this.#ended(event);
        break;
      case "error":
        this.status = "failed";
        this.error = event.message;
        break;
    }
  }

  /** The stream is over, and this is why where no event has told. @param {unknown} error */
  over(error) {
    if (this.status) return;
    this.status = "cut";
    this.error = error;
  }

  /** @param {StreamEvent} event */
  #ended(event) {
    this.status = event.status || "succeeded";
    this.conversation = event.conversation_id || this.conversation;
    // The answer outranks what was streamed: a moderation, or the one output that the settings name.
    if (typeof event.answer === "string" && !event.outputs) this.text = event.answer;
    this.outputs = event.outputs ?? null;
  }

  /**
   * @param {Map<string, Line>} lines
   * @param {StreamEvent} event
   * @param {string} title
   */
  #noted(lines, event, title) {
    const known = lines.get(event.id);
    const state = OVER.has(event.status) ? "done" : BROKEN.has(event.status) ? "failed" : "running";
    lines.set(event.id, { id: event.id, title: title || known?.title || "", state, error: event.error || "" });
  }
}
