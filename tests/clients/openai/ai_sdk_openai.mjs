// The scenarios of npm's `ai` with `@ai-sdk/openai`, which speaks Responses and names the earlier answers by their ids.
// Usage: node ai_sdk_openai.mjs BASE_URL KEY
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";

import { run } from "./scenarios.mjs";

const [baseURL, apiKey] = process.argv.slice(2);
const sent = [];

globalThis.AI_SDK_LOG_WARNINGS = false;
const openai = createOpenAI({
  baseURL,
  apiKey,
  fetch: (url, options) => {
    sent.push(JSON.parse(options.body).input);
    return fetch(url, options);
  },
});

const typesOf = (input) => input.map((item) => item.type ?? item.role);
const user = (content) => ({ role: "user", content });

await run({
  async plain() {
    const { text, finishReason, usage } = await generateText({ model: openai("echo"), prompt: "Hello" });
    return { text, finishReason, usage: [usage.inputTokens, usage.outputTokens, usage.totalTokens] };
  },

  async streamed() {
    const result = streamText({ model: openai("echo"), prompt: "Hello", maxRetries: 0 });
    const pieces = await Array.fromAsync(result.textStream);
    return { text: pieces.join(""), pieces: pieces.length };
  },

  async turns() {
    const messages = [user("one")];
    const first = await generateText({ model: openai("echo"), messages });
    messages.push(...first.response.messages, user("two"));
    const second = await generateText({ model: openai("echo"), messages });
    return { text: second.text, sent: typesOf(sent.at(-1)) };
  },

  async turns_of_a_stream() {
    const messages = [user("one")];
    const first = streamText({ model: openai("echo"), messages, maxRetries: 0 });
    await first.consumeStream();
    messages.push(...(await first.response).messages, user("two"));
    const second = streamText({ model: openai("echo"), messages, maxRetries: 0 });
    return { text: await second.text, sent: typesOf(sent.at(-1)) };
  },

  async turns_by_previous_response() {
    const first = await generateText({ model: openai("echo"), messages: [user("one")] });
    const providerOptions = { openai: { previousResponseId: first.providerMetadata.openai.responseId } };
    return (await generateText({ model: openai("echo"), messages: [user("two")], providerOptions })).text;
  },
});
