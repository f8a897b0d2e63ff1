/** The endpoint, as this page calls it: the key goes in a header and nowhere else, and cookies never do. */

import { createParser } from "eventsource-parser";

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
 * @typedef {{ name: string, value: number, unit: string, lifted_by: string }} Limit
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

/** A refusal, as a sentence for people. */
export class Refusal extends Error {
  /**
   * @param {string} message
   * @param {number} [status]
   */
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** The address that clients are given, without a slash at its end. */
export const BASE = new URL(".", window.location.href.split(/[?#]/)[0]).href.replace(/\/$/, "");

export class Endpoint {
  /** @param {string} key `""` for none */
  constructor(key) {
    this.key = key;
  }

  /** @returns {Promise<Overview>} */
  async overview() {
    const response = await this.#sent("", { headers: { Accept: "application/json" } });
    return response.json();
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
    const told = await (await this.#sent(path, { method: "POST", body, signal })).json();
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
      const { done, value } = await reader.read();
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* read.splice(0);
    }
  }

  /**
   * @param {string} path below the endpoint's address
   * @param {RequestInit} request
   * @returns {Promise<Response>}
   */
  async #sent(path, request) {
    const headers = new Headers(request.headers);
    if (this.key) headers.set("Authorization", `Bearer ${this.key}`);
    const response = await fetch(`${BASE}/${path}`, { ...request, headers, credentials: "omit", cache: "no-store" });
    if (response.ok) return response;
    throw new Refusal(await sentenceOf(response), response.status);
  }
}

/**
 * What a refusal says: `detail` of RFC 9457, else `message` (Dify's shape).
 * @param {Response} response
 */
async function sentenceOf(response) {
  try {
    const body = await response.json();
    return String(body.detail ?? body.message ?? `HTTP ${response.status}`);
  } catch {
    return `HTTP ${response.status}`;
  }
}

/**
 * Dify's type of a file.
 * @param {File} file
 */
function typeOf(file) {
  const type = file.type.split("/")[0] ?? "";
  return ["image", "audio", "video"].includes(type) ? type : "document";
}
