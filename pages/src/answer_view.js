/** An answer on the page. It is drawn anew at most ten times a second, whatever the speed of the stream. */

import { element, fill } from "./dom.js";
import { rendered } from "./markdown.js";

/**
 * @typedef {import("./answer.js").Answer} Answer
 * @typedef {import("./answer.js").Line} Line
 * @typedef {import("./form.js").Say} Say
 */

const BETWEEN_DRAWINGS = 100; // ms

export class AnswerView {
  /**
   * @param {Answer} answer
   * @param {Say} say
   */
  constructor(answer, say) {
    this.answer = answer;
    this.say = say;
    /** @type {number | undefined} */
    this.timer = undefined;
    this.reasoning = element("div", { class: "folded" });
    this.thinking = folded("reasoning", say("reasoning"), this.reasoning);
    this.steps = element("ol", { class: "lines" });
    this.progress = folded("steps", say("steps"), this.steps);
    this.tools = element("ul", { class: "lines tools", "aria-label": say("tools") });
    this.text = element("div", { class: "text" });
    this.more = element("div", { class: "more" });
    this.note = element("p", { class: "note", role: "status" });
    this.element = element(
      "article",
      { class: "message answer", "aria-busy": "true", "aria-label": say("answer") },
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
    this.timer ??= setTimeout(() => this.#draw(), BETWEEN_DRAWINGS);
  }

  ended() {
    clearTimeout(this.timer);
    this.#draw();
    this.element.removeAttribute("aria-busy");
  }

  #draw() {
    this.timer = undefined;
    const { answer } = this;
    this.thinking.hidden = !answer.reasoning;
    this.reasoning.textContent = answer.reasoning;
    this.#lines(this.progress, this.steps, answer.steps);
    this.#lines(this.tools, this.tools, answer.tools);
    fill(this.text, rendered(answer.text));
    if (!answer.status && !answer.text) fill(this.text, element("span", { class: "waiting", "aria-hidden": "true" }, "…"));
    fill(this.more, this.#outputs(), this.#listed("files", answer.files), this.#listed("sources", answer.sources.map(named)));
    this.note.className = answer.error ? "note problem" : "note";
    this.note.textContent = this.#said();
  }

  #said() {
    const { answer, say } = this;
    if (answer.error) return answer.error;
    if (answer.isPaused) return say("paused");
    return answer.status === "stopped" ? say("stopped") : answer.status === "partial-succeeded" ? say("partial") : "";
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
        element("span", { class: "state" }, this.say(line.state === "done" ? "done" : line.state === "failed" ? "broken" : "running")),
        line.error ? element("span", { class: "problem" }, ` ${line.error}`) : null,
      ),
    );
    fill(list, ...items);
  }

  #outputs() {
    const { outputs, text } = this.answer;
    if (!outputs) return null;
    const shown = Object.entries(outputs).filter(([, value]) => value !== text);
    if (!shown.length) return null;
    const pairs = shown.flatMap(([name, value]) => [
      element("dt", {}, name),
      element("dd", {}, typeof value === "string" ? value : element("pre", {}, JSON.stringify(value, null, 2))),
    ]);
    return element("section", { class: "outputs", "aria-label": this.say("outputs") }, element("dl", {}, ...pairs));
  }

  /**
   * @param {"files" | "sources"} kind
   * @param {{ name: string, url: string }[]} items
   */
  #listed(kind, items) {
    if (!items.length) return null;
    const links = items.map(({ name, url }) =>
      element("li", {}, /^https?:/i.test(url) ? element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, name) : name),
    );
    return element("section", { class: kind }, element("h4", {}, this.say(kind)), element("ul", {}, ...links));
  }
}

/** @param {{ title: string, url: string }} source */
function named({ title, url }) {
  return { name: title || url, url };
}

/**
 * @param {string} kind
 * @param {string} title
 * @param {HTMLElement} content
 */
function folded(kind, title, content) {
  return element("details", { class: kind }, element("summary", {}, title), content);
}
