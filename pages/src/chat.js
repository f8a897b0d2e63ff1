/** A conversation with an app, or its runs: what was asked, the answers, and where the next is written. */

import { Answer } from "./answer.js";
import { AnswerView } from "./answer_view.js";
import { element, fill } from "./dom.js";
import { BadInput, Form } from "./form.js";
import { rendered } from "./markdown.js";

/**
 * @typedef {import("./api.js").App} App
 * @typedef {import("./api.js").Endpoint} Endpoint
 * @typedef {import("./form.js").Say} Say
 */

export class Chat {
  /**
   * @param {App} app
   * @param {Endpoint} endpoint
   * @param {Say} say
   */
  constructor(app, endpoint, say) {
    this.app = app;
    this.endpoint = endpoint;
    this.say = say;
    this.conversation = "";
    /** @type {AbortController | null} */
    this.running = null;
    this.talks = app.kind !== "workflow" && app.kind !== "completion" && app.needs_query !== false;

    this.log = element("div", { class: "log", role: "log", "aria-label": say("conversation"), tabindex: "0" });
    this.form = new Form(app, say);
    this.query = element("textarea", { id: "query", rows: "2", placeholder: say("ask"), "aria-label": say("ask") });
    this.files = element("input", { id: "files", type: "file", multiple: true });
    this.send = element("button", { type: "submit", class: "primary" }, say(this.talks ? "send" : "run"));
    this.stop = element("button", { type: "button", class: "stop", hidden: true, onclick: () => this.running?.abort() }, say("stop"));
    this.problem = element("p", { class: "problem", role: "alert" });
    this.reset = element("button", { type: "button", class: "quiet", onclick: () => this.#begin() }, say(this.talks ? "fresh" : "clear"));
    this.ask = this.#composer();
    this.element = element("section", { class: "chat", "aria-label": app.title || app.alias }, this.log, this.ask);
    this.query.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
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
      ? element("details", { class: "inputs", open: true }, element("summary", {}, this.say("inputs")), this.form.element)
      : null;
    const attach = this.app.takes_files
      ? element("div", { class: "field" }, element("label", { for: "files" }, this.say("attach")), this.files)
      : null;
    return element(
      "form",
      { class: "composer", onsubmit: (event) => void (event.preventDefault(), this.#asked()) },
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
    this.conversation = "";
    const { opening_statement: opening, suggested_questions: questions = [] } = this.app;
    const suggestions = questions.map((question) =>
      element("button", { type: "button", class: "suggestion", onclick: () => this.#suggested(question) }, question),
    );
    fill(
      this.log,
      opening ? element("article", { class: "message answer", "aria-label": this.say("answer") }, rendered(opening)) : null,
      suggestions.length ? element("div", { class: "suggestions" }, ...suggestions) : null,
      !opening && !suggestions.length ? element("p", { class: "empty" }, this.say(this.talks ? "emptyChat" : "emptyRun")) : null,
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
    this.problem.textContent = "";
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
      await this.#answered(query, call, running.signal);
    } catch (error) {
      this.problem.textContent = sentenceOf(error, this.say);
      if (error instanceof BadInput) error.control.focus();
    } finally {
      this.running = null;
      this.#runs(false);
    }
  }

  /**
   * @param {string} query
   * @param {import("./api.js").Call} call
   * @param {AbortSignal} signal
   */
  async #answered(query, call, signal) {
    const answer = new Answer();
    const view = new AnswerView(answer, this.say);
    this.log.querySelector(".empty, .suggestions")?.remove();
    if (query && this.talks) this.log.append(element("article", { class: "message mine", "aria-label": this.say("you") }, query));
    this.log.append(view.element);
    this.#scroll(true);
    try {
      for await (const event of this.endpoint.run(this.app, call, signal)) {
        answer.add(event);
        view.changed();
        this.#scroll(false);
      }
      answer.over(this.say("cut"));
    } catch (error) {
      if (signal.aborted) answer.status ||= "stopped";
      else answer.over(sentenceOf(error, this.say));
    }
    this.conversation = answer.conversation || this.conversation;
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

/**
 * @param {unknown} error
 * @param {Say} say
 */
function sentenceOf(error, say) {
  if (error instanceof TypeError) return say("unreached"); // what `fetch` throws when there is no answer
  return error instanceof Error ? error.message : String(error);
}
