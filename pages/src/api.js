/** The endpoint, as this page calls it: the key goes in a header and nowhere else, and cookies never do. */

import { createParser } from "eventsource-parser";

import { Refusal, Trouble } from "./troubles.js";

/**
 * What `GET /` tells of a field of an app's form.
 * @typedef {{ name: string, type: string, required: boolean, label?: string, description?: string, options?: string[],
 *   default?: unknown, max_length?: number, file_types?: string[] }} Field
 *
 * What `GET /` tells of an app. status: "ok", or the code of why it can't be reached.
 * @typedef {{ alias: string, title: string, about: string, kind: string, is_default: boolean, status: string,
 *   problem?: string, transport?: string, needs_query?: boolean | null, inputs?: Field[], takes_files?: boolean,
 *   opening_statement?: string, suggested_questions?: string[] }} App
 *
 * period: in seconds, of the unit "calls".
 * @typedef {{ name: string, value: number, unit: string, lifted_by: string, period?: number }} Limit
 *
 * faults: of the settings, for those who may be told.
 * @typedef {{ version: string, caller?: string, apps?: App[], limits?: Limit[], faults?: string[] }} Overview
 *
 * A file as Dify's API has it.
 * @typedef {{ type: string, transfer_method: "local_file" | "remote_url", upload_file_id?: string, url?: string }} DifyFile
 *
 * @typedef {{ query?: string, inputs?: Record<string, unknown>, conversation_id?: string, files?: DifyFile[] }} Call
 *
 * An event of the native stream, its name beside its members.
 * @typedef {{ event: string } & Record<string, any>} StreamEvent
 */

/** The address that clients are given, without a slash at its end. */
export const BASE = new URL(".", window.location.href.split(/[?#]/)[0]).href.replace(/\/$/, "");

/** What a key may hold to travel in a header: other characters a browser refuses, or sends in a way that no server takes. */
const IN_A_HEADER = /^[!-~]*$/;

export class Endpoint {
  /** @param {string} key `""` for none. Throws `Trouble` for one that can't be sent. */
  constructor(key) {
    if (!IN_A_HEADER.test(key)) throw new Trouble("unfitKey");
    this.key = key;
  }

  /** @returns {Promise<Overview>} */
  overview() {
    return this.#told("", { headers: { Accept: "application/json" } });
  }

  /**
   * Gives Dify a file for a call of this app.
   * @param {string} alias
   * @param {File} file
   * @param {AbortSignal} signal
   * @returns {Promise<DifyFile>}
   */
  async upload(alias, file, signal) {
    const body = new FormData();
    body.set("file", file);
    const path = `apps/${encodeURIComponent(alias)}/v1/files/upload`;
    const told = await this.#told(path, { method: "POST", body, signal });
    return { type: typeOf(file), transfer_method: "local_file", upload_file_id: told.id };
  }

  /**
   * Runs an app.
   * @param {App} app
   * @param {Call} call
   * @param {AbortSignal} signal
   * @returns {AsyncGenerator<StreamEvent>}
   */
  async *run(app, call, signal) {
    const route = app.kind === "workflow" || app.kind === "completion" ? app.kind : "chat";
    const response = await this.#sent(`${route}/${encodeURIComponent(app.alias)}`, {
      method: "POST",
      headers: { Accept: "text/event-stream", "Content-Type": "application/json" },
      body: JSON.stringify({ ...call, response_mode: "streaming" }),
      signal,
    });
    /** @type {StreamEvent[]} */
    const read = [];
    const parser = createParser({
      onEvent: ({ event, data }) => {
        read.push({ ...JSON.parse(data), event: event ?? "" });
      },
    });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await unless(reader.read(), "cut", signal);
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* read.splice(0);
    }
  }

  /**
   * @param {string} path below the endpoint's address
   * @param {RequestInit} request
   * @returns {Promise<any>} the reply's JSON
   */
  async #told(path, request) {
    const response = await this.#sent(path, request);
    return unless(response.json(), "strange", request.signal, { status: String(response.status) });
  }

  /**
   * @param {string} path
   * @param {RequestInit} request
   * @returns {Promise<Response>}
   */
  async #sent(path, request) {
    const headers = new Headers(request.headers);
    if (this.key) headers.set("Authorization", `Bearer ${this.key}`);
    const sending = fetch(`${BASE}/${path}`, { ...request, headers, credentials: "omit", cache: "no-store" });
    const response = await unless(sending, "unreached", request.signal);
    if (!response.ok) throw await refusal(response);
    return response;
  }
}

/**
 * What is promised; where the network fails it, a trouble. Whoever has stopped it gets the browser's own error.
 * @template Value
 * @param {Promise<Value>} promised
 * @param {import("./texts.js").Key} key
 * @param {AbortSignal | null | undefined} signal
 * @param {import("./troubles.js").Values} [values]
 */
async function unless(promised, key, signal, values) {
  try {
    return await promised;
  } catch (error) {
    throw signal?.aborted ? error : new Trouble(key, values);
  }
}

/**
 * What a refusal says: `detail` of RFC 9457, else `message` (Dify's shape). What has neither is not the endpoint's.
 * @param {Response} response
 */
async function refusal(response) {
  const body = await response.json().catch(() => null);
  // Over plain HTTP the endpoint can't tell its own page from another site's.
  if (body?.code === "origin_not_allowed") return new Trouble("unlisted", { origin: window.location.origin });
  const sentence = body?.detail ?? body?.message;
  return sentence ? new Refusal(String(sentence)) : new Trouble("strange", { status: String(response.status) });
}

/**
 * Dify's type of a file.
 * @param {File} file
 */
function typeOf(file) {
  const type = file.type.split("/")[0] ?? "";
  return ["image", "audio", "video"].includes(type) ? type : "document";
}
