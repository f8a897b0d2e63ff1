/** A conversation with an app, or its runs: what was asked, the answers, and where the next is written. */

import { Answer } from "./answer.js";
import { AnswerView } from "./answer_view.js";
import { element, fill } from "./dom.js";
import { Form } from "./form.js";
import { rendered } from "./markdown.js";
import { BadInput, Trouble } from "./troubles.js";
import { label, placeholder, text, told } from "./words.js";

/**
 * @typedef {import("./api.js").App} App
 * @typedef {import("./api.js").Endpoint} Endpoint
 */

export class Chat {
  /**
   * @param {App} app
   * @param {Endpoint} endpoint
   */
  constructor(app, endpoint) {
    this.app = app;
    this.endpoint = endpoint;
    this.conversation = "";
    /** What runs in this conversation. A run that is no longer this one has no say here. @type {AbortController | null} */
    this.running = null;
    this.talks = app.kind !== "workflow" && app.kind !== "completion" && app.needs_query !== false;

    this.log = element("div", { class: "log", role: "log", ...label("conversation"), tabindex: "0" });
    this.form = new Form(app);
    this.query = element("textarea", { id: "query", rows: "2", ...placeholder("ask"), ...label("ask") });
    this.files = element("input", { id: "files", type: "file", multiple: true });
    this.send = element("button", { type: "submit", class: "primary" }, text(this.talks ? "send" : "run"));
    this.stop = element("button", { type: "button", class: "stop", hidden: true, onclick: () => this.running?.abort() }, text("stop"));
    this.problem = element("p", { class: "problem", role: "alert" });
    this.reset = element("button", { type: "button", class: "quiet", onclick: () => this.#begin() }, text(this.talks ? "fresh" : "clear"));
    this.ask = this.#composer();
    this.element = element("section", { class: "chat", "aria-label": app.title || app.alias }, this.log, this.ask);
    this.query.addEventListener("keydown", (event) => {
      // 229: Safari tells that a composition has ended before the key that ended it.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
        event.preventDefault();
        this.ask.requestSubmit();
      }
    });
    this.#begin();
  }

  /** Ends what runs, when another app is looked at. */
  leave() {
    this.running?.abort();
  }

  #composer() {
    const inputs = this.app.inputs?.length
      ? element("details", { class: "inputs", open: true }, element("summary", {}, text("inputs")), this.form.element)
      : null;
    const attach = this.app.takes_files
      ? element("div", { class: "field" }, element("label", { for: "files" }, text("attach")), this.files)
      : null;
    return element(
      "form",
      // The browser's own check says nothing of a field that is folded away.
      { class: "composer", novalidate: true, onsubmit: (event) => void (event.preventDefault(), this.#asked()) },
      inputs,
      this.talks ? this.query : null,
      attach,
      this.problem,
      element("div", { class: "buttons" }, this.send, this.stop, this.reset),
    );
  }

  /** A new conversation, which opens as the app's author has written. */
  #begin() {
    this.leave();
    this.running = null;
    this.#runs(false);
    this.conversation = "";
    const { opening_statement: opening, suggested_questions: questions = [] } = this.app;
    const suggestions = questions.map((question) =>
      element("button", { type: "button", class: "suggestion", onclick: () => this.#suggested(question) }, question),
    );
    fill(
      this.log,
      opening ? element("article", { class: "message answer", ...label("answer") }, rendered(opening)) : null,
      suggestions.length ? element("div", { class: "suggestions" }, ...suggestions) : null,
      !opening && !suggestions.length ? element("p", { class: "empty" }, text(this.talks ? "emptyChat" : "emptyRun")) : null,
    );
  }

  /** @param {string} question */
  #suggested(question) {
    this.query.value = question;
    this.ask.requestSubmit();
  }

  async #asked() {
    if (this.running) return;
    const query = this.query.value.trim();
    fill(this.problem);
    if (this.talks && !query && this.app.needs_query) return this.query.focus();
    const running = (this.running = new AbortController());
    this.#runs(true);
    try {
      const upload = (/** @type {File} */ file) => this.endpoint.upload(this.app.alias, file, running.signal);
      const inputs = await this.form.values(upload);
      const files = await Promise.all([...(this.files.files ?? [])].map(upload));
      const call = {
        ...(query && this.talks ? { query } : {}),
        ...(Object.keys(inputs).length ? { inputs } : {}),
        ...(files.length ? { files } : {}),
        ...(this.conversation ? { conversation_id: this.conversation } : {}),
      };
      this.query.value = "";
      this.files.value = "";
      await this.#answered(query, call, running);
    } catch (error) {
      if (this.running === running) this.#refused(running.signal.aborted ? new Trouble("unsent") : error);
    } finally {
      if (this.running === running) {
        this.running = null;
        this.#runs(false);
      }
    }
  }

  /** Why nothing was asked. @param {unknown} error */
  #refused(error) {
    fill(this.problem, told(error));
    if (!(error instanceof BadInput)) return;
    error.control.closest("details")?.setAttribute("open", "");
    error.control.focus();
  }

  /**
   * @param {string} query
   * @param {import("./api.js").Call} call
   * @param {AbortController} running
   */
  async #answered(query, call, running) {
    const { signal } = running;
    const answer = new Answer();
    const view = new AnswerView(answer);
    this.log.querySelector(".empty, .suggestions")?.remove();
    if (query && this.talks) this.log.append(element("article", { class: "message mine", ...label("you") }, query));
    this.log.append(view.element);
    this.#scroll(true);
    try {
      for await (const event of this.endpoint.run(this.app, call, signal)) {
        answer.add(event);
        view.changed();
        this.#scroll(false);
      }
      answer.over(new Trouble("cut"));
    } catch (error) {
      if (signal.aborted) answer.status ||= "stopped";
      else answer.over(error);
    }
    if (this.running === running) this.conversation = answer.conversation || this.conversation;
    view.ended();
    this.#scroll(false);
  }

  /** @param {boolean} isRunning */
  #runs(isRunning) {
    const hadFocus = document.activeElement === this.send || document.activeElement === this.stop;
    this.send.hidden = isRunning;
    this.stop.hidden = !isRunning;
    if (hadFocus) (isRunning ? this.stop : this.talks ? this.query : this.send).focus();
  }

  /** Follows the answer, unless its reader has gone back. @param {boolean} always */
  #scroll(always) {
    const { scrollTop, clientHeight, scrollHeight } = this.log;
    if (always || scrollHeight - scrollTop - clientHeight < 120) this.log.scrollTop = scrollHeight;
  }
}
