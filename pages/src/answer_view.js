/** An answer on the page. It is drawn anew at most ten times a second, and less often where a drawing takes long. */

import { element, fill } from "./dom.js";
import { rendered } from "./markdown.js";
import { label, text, told } from "./words.js";

/**
 * @typedef {import("./answer.js").Answer} Answer
 * @typedef {import("./answer.js").Line} Line
 */

const BETWEEN_DRAWINGS = 100; // ms
const REST = 10; // times what the last drawing took, so that a long answer leaves the browser nine tenths of its time

export class AnswerView {
  /** @param {Answer} answer */
  constructor(answer) {
    this.answer = answer;
    /** @type {number | undefined} */
    this.timer = undefined;
    this.pause = BETWEEN_DRAWINGS;
    this.reasoning = element("div", { class: "folded" });
    this.thinking = folded("reasoning", this.reasoning);
    this.steps = element("ol", { class: "lines" });
    this.progress = folded("steps", this.steps);
    this.tools = element("ul", { class: "lines tools", ...label("tools") });
    this.text = element("div", { class: "text" });
    this.more = element("div", { class: "more" });
    this.note = element("p", { class: "note", role: "status" });
    this.element = element(
      "article",
      { class: "message answer", "aria-busy": "true", ...label("answer") },
      this.thinking,
      this.progress,
      this.tools,
      this.text,
      this.more,
      this.note,
    );
    this.#draw();
  }

  /** Sees to it that what has come is shown soon. */
  changed() {
    this.timer ??= setTimeout(() => this.#draw(), this.pause);
  }

  ended() {
    clearTimeout(this.timer);
    this.#draw();
    this.element.removeAttribute("aria-busy");
  }

  #draw() {
    this.timer = undefined;
    const began = performance.now();
    const { answer } = this;
    this.thinking.hidden = !answer.reasoning;
    this.reasoning.textContent = answer.reasoning;
    this.#lines(this.progress, this.steps, answer.steps);
    this.#lines(this.tools, this.tools, answer.tools);
    fill(this.text, rendered(answer.text));
    if (!answer.status && !answer.text) fill(this.text, element("span", { class: "waiting", "aria-hidden": "true" }, "…"));
    fill(this.more, this.#outputs(), this.#listed("files", answer.files), this.#listed("sources", answer.sources.map(named)));
    this.note.className = answer.error ? "note problem" : "note";
    fill(this.note, this.#said());
    this.pause = Math.max(BETWEEN_DRAWINGS, REST * (performance.now() - began));
  }

  #said() {
    const { answer } = this;
    if (answer.error) return told(answer.error);
    if (answer.isPaused) return text("paused");
    return answer.status === "stopped" ? text("stopped") : answer.status === "partial-succeeded" ? text("partial") : null;
  }

  /**
   * @param {HTMLElement} whole
   * @param {HTMLElement} list
   * @param {Map<string, Line>} lines
   */
  #lines(whole, list, lines) {
    whole.hidden = lines.size === 0;
    const items = [...lines.values()].map((line) =>
      element(
        "li",
        { class: line.state },
        line.title,
        " ",
        element("span", { class: "state" }, text(line.state === "done" ? "done" : line.state === "failed" ? "broken" : "running")),
        line.error ? element("span", { class: "problem" }, ` ${line.error}`) : null,
      ),
    );
    fill(list, ...items);
  }

  #outputs() {
    const { outputs, text: answered } = this.answer;
    if (!outputs) return null;
    const shown = Object.entries(outputs).filter(([, value]) => value !== answered);
    if (!shown.length) return null;
    const pairs = shown.flatMap(([name, value]) => [
      element("dt", {}, name),
      element("dd", {}, typeof value === "string" ? value : element("pre", {}, JSON.stringify(value, null, 2))),
    ]);
    return element("section", { class: "outputs", ...label("outputs") }, element("dl", {}, ...pairs));
  }

  /**
   * @param {"files" | "sources"} kind
   * @param {{ name: string, url: string }[]} items
   */
  #listed(kind, items) {
    if (!items.length) return null;
    const links = items.map(({ name, url }) =>
      element("li", {}, /^https?:\/\//i.test(url) ? element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, name) : name),
    );
    return element("section", { class: kind }, element("h4", {}, text(kind)), element("ul", {}, ...links));
  }
}

/** @param {{ title: string, url: string }} source */
function named({ title, url }) {
  return { name: title || url, url };
}

/**
 * @param {"reasoning" | "steps"} kind
 * @param {HTMLElement} content
 */
function folded(kind, content) {
  return element("details", { class: kind }, element("summary", {}, text(kind)), content);
}
