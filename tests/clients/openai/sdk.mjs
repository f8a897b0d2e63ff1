// The scenarios of npm's `openai`: Chat Completions, Responses and Models.
// Usage: node sdk.mjs BASE_URL KEY
import { randomUUID } from "node:crypto";

import OpenAI from "openai";

import { run, untilError } from "./scenarios.mjs";

const [baseURL, apiKey] = process.argv.slice(2);
const PICTURES = ["https://files.example/cat.png", "https://files.example/dog.png"];

let sentHeaders = [];
const client = new OpenAI({
  baseURL,
  apiKey,
  fetch: (url, init) => {
    sentHeaders = [...new Headers(init.headers).keys()];
    return fetch(url, init);
  },
});

const hello = [{ role: "user", content: "Hello" }];
const deltaOf = (chunk) => chunk.choices[0]?.delta.content ?? "";
const textDeltaOf = (event) => (event.type === "response.output_text.delta" ? event.delta : "");
const contentOf = (reply) => reply.choices[0].message.content;

const chat = (model, text = "Hello", more = {}, options = {}) =>
  client.chat.completions.create({ model, messages: [{ role: "user", content: text }], ...more }, options);
const respond = (model, input = "Hello", more = {}) => client.responses.create({ model, input, ...more });

async function joined(stream, textOf) {
  let text = "";
  for await (const item of await stream) text += textOf(item);
  return text;
}

async function last(stream) {
  let found;
  for await (const item of await stream) found = item;
  return found;
}

await run({
  async chat_plain() {
    const { data, response, request_id } = await chat("echo").withResponse();
    const { id, created, conversation_id, ...rest } = data;
    return {
      rest,
      id: id.startsWith("chatcmpl-"),
      created: typeof created,
      conversation: response.headers.get("x-conversation-id") === conversation_id,
      request: request_id === data._request_id && request_id === response.headers.get("x-request-id"),
    };
  },

  chat_streamed: () => joined(chat("echo", "Hello", { stream: true }), deltaOf),

  async chat_streamed_with_usage() {
    const chunk = await last(chat("echo", "Hello", { stream: true, stream_options: { include_usage: true } }));
    return { choices: chunk.choices, usage: chunk.usage };
  },

  async chat_helper() {
    const stream = client.chat.completions.stream({ model: "echo", messages: hello });
    let text = "";
    stream.on("content", (delta) => (text += delta));
    const { choices } = await stream.finalChatCompletion();
    return { text, content: choices[0].message.content, reason: choices[0].finish_reason };
  },

  async chat_turns() {
    const { conversation_id } = await chat("echo", "one");
    return contentOf(await chat("echo", "two", { conversation_id }));
  },

  async chat_turns_by_metadata() {
    const { conversation_id } = await chat("echo", "one");
    return contentOf(await chat("echo", "two", { metadata: { conversation_id } }));
  },

  async chat_turns_of_a_stream() {
    const { conversation_id } = await last(chat("echo", "one", { stream: true }));
    return joined(chat("echo", "two", { stream: true, conversation_id }), deltaOf);
  },

  async chat_of_open_webui() {
    const headers = { "X-OpenWebUI-Chat-Id": randomUUID() };
    return [contentOf(await chat("echo", "one", {}, { headers })), contentOf(await chat("echo", "two", {}, { headers }))];
  },

  async chat_reasoning() {
    const { message } = (await chat("reasoning")).choices[0];
    return { reasoning: message.reasoning_content, content: message.content };
  },

  async chat_reasoning_streamed() {
    return joined(chat("reasoning", "Hello", { stream: true }), (chunk) => chunk.choices[0].delta.reasoning_content ?? "");
  },

  async chat_image_by_url() {
    const images = PICTURES.map((url) => ({ type: "image_url", image_url: { url } }));
    const content = [{ type: "text", text: "Look" }, ...images];
    return contentOf(await client.chat.completions.create({ model: "form", messages: [{ role: "user", content }] }));
  },

  chat_unknown_model: () => chat("no-such-app"),
  chat_bad_key: () => new OpenAI({ baseURL, apiKey: "not-the-key" }).chat.completions.create({ model: "echo", messages: hello }),
  chat_completion_app: () => chat("completion", "Hello", { stream: true }),
  chat_broken: () => chat("broken"),
  chat_broken_stream: async () => untilError(await chat("broken", "Hello", { stream: true }), deltaOf),
  chat_failed_stream: async () => untilError(await chat("failing", "Hello", { stream: true }), deltaOf),
  chat_broken_stream_of_the_helper: () =>
    client.chat.completions.stream({ model: "broken", messages: hello }).finalChatCompletion(),

  async responses_plain() {
    const response = await respond("echo");
    return { text: response.output_text, status: response.status, usage: response.usage };
  },

  responses_streamed: () => joined(respond("echo", "Hello", { stream: true }), textDeltaOf),

  async responses_helper() {
    const stream = client.responses.stream({ model: "echo", input: "Hello" });
    let text = "";
    stream.on("response.output_text.delta", ({ delta }) => (text += delta));
    const { output_text, status } = await stream.finalResponse();
    return { text, final: output_text, status };
  },

  async responses_turns() {
    const { id } = await respond("echo", "one");
    return (await respond("echo", "two", { previous_response_id: id })).output_text;
  },

  async responses_turns_of_a_stream() {
    const { response } = await last(respond("echo", "one", { stream: true }));
    return joined(respond("echo", "two", { stream: true, previous_response_id: response.id }), textDeltaOf);
  },

  async responses_reasoning() {
    const { output, output_text } = await respond("reasoning");
    return { types: output.map(({ type }) => type), reasoning: output[0].summary, text: output_text };
  },

  responses_reasoning_streamed: () =>
    joined(respond("reasoning", "Hello", { stream: true }), (event) =>
      event.type === "response.reasoning_summary_text.delta" ? event.delta : "",
    ),

  async responses_image_by_url() {
    const images = PICTURES.map((image_url) => ({ type: "input_image", image_url, detail: "auto" }));
    const content = [{ type: "input_text", text: "Look" }, ...images];
    return (await respond("form", [{ role: "user", content }])).output_text;
  },

  responses_unknown_model: () => respond("no-such-app"),
  responses_bad_key: () => new OpenAI({ baseURL, apiKey: "not-the-key" }).responses.create({ model: "echo", input: "Hello" }),
  responses_completion_app: () => respond("completion", "Hello", { stream: true }),

  async responses_broken_stream() {
    let text = "";
    let failed;
    for await (const event of await respond("broken", "Hello", { stream: true })) {
      text += textDeltaOf(event);
      if (event.type === "response.failed") failed = event.response.error;
    }
    return { text, failed };
  },

  // The helper raises nothing for a response that failed: it is the final one.
  async responses_broken_stream_of_the_helper() {
    const { status, error } = await client.responses.stream({ model: "broken", input: "Hello" }).finalResponse();
    return { status, code: error.code };
  },

  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return ids;
  },

  one_model: () => client.models.retrieve("echo"),
  unknown_one_model: () => client.models.retrieve("no-such-app"),

  // What a browser would ask a page's leave for: all headers that the client sets itself.
  async sent_headers() {
    await chat("echo");
    return sentHeaders;
  },
});
