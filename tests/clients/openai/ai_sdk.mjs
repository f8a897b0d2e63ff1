// The scenarios of npm's `ai` with `@ai-sdk/openai-compatible`.
// Usage: node ai_sdk.mjs BASE_URL KEY
import { randomUUID } from "node:crypto";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";

import { run, told } from "./scenarios.mjs";

const [baseURL, apiKey] = process.argv.slice(2);
const PICTURES = ["https://files.example/cat.png", "https://files.example/dog.png"];

globalThis.AI_SDK_LOG_WARNINGS = false;
const duck = createOpenAICompatible({
  name: "duck",
  baseURL,
  apiKey,
  includeUsage: true,
  supportedUrls: () => ({ "image/*": [/^https?:/] }), // else it downloads a picture and sends its bytes
});

// It takes no notice of x-should-retry, and would run an app that failed twice more.
const quietly = { maxRetries: 0, onError: () => {} };
const ask = (model, prompt = "Hello", more = {}) => generateText({ model: duck(model), prompt, maxRetries: 0, ...more });
const stream = (model, prompt = "Hello", more = {}) => streamText({ model: duck(model), prompt, ...quietly, ...more });

async function partsOf(result) {
  const parts = [];
  for await (const part of result.fullStream) parts.push(part);
  return parts;
}

const textOf = (parts, type = "text-delta") => parts.filter((part) => part.type === type).map(({ text }) => text).join("");

async function read(result) {
  const parts = await partsOf(result);
  const failed = parts.find((part) => part.type === "error");
  return { text: textOf(parts), raised: failed ? told(failed.error) : null };
}

await run({
  async plain() {
    const { text, finishReason, usage } = await ask("echo");
    return { text, finishReason, usage: [usage.inputTokens, usage.outputTokens, usage.totalTokens] };
  },

  async streamed() {
    const result = stream("echo");
    const pieces = [];
    for await (const piece of result.textStream) pieces.push(piece);
    const usage = await result.usage;
    return {
      text: pieces.join(""),
      pieces: pieces.length,
      finishReason: await result.finishReason,
      usage: [usage.inputTokens, usage.outputTokens, usage.totalTokens],
    };
  },

  async turns() {
    const { response } = await ask("echo", "one");
    const options = { duck: { conversation_id: response.headers["x-conversation-id"] } };
    return (await ask("echo", "two", { providerOptions: options })).text;
  },

  async turns_of_a_stream() {
    const first = stream("echo", "one");
    await first.consumeStream();
    const { headers } = await first.response;
    const options = { duck: { conversation_id: headers["x-conversation-id"] } };
    return textOf(await partsOf(stream("echo", "two", { providerOptions: options })));
  },

  async turns_by_chat_id() {
    const headers = { "X-OpenWebUI-Chat-Id": randomUUID() };
    const messages = [{ role: "user", content: "one" }];
    const first = await generateText({ model: duck("echo"), messages, headers });
    messages.push(...first.response.messages, { role: "user", content: "two" });
    return [first.text, (await generateText({ model: duck("echo"), messages, headers })).text];
  },

  async history_without_a_conversation() {
    const messages = [{ role: "user", content: "one" }];
    const first = await generateText({ model: duck("reasoning"), system: "Be brief.", messages });
    messages.push(...first.response.messages, { role: "user", content: "two" });
    return (await generateText({ model: duck("reasoning"), system: "Be brief.", messages })).text;
  },

  async reasoning() {
    const { text, reasoningText } = await ask("reasoning");
    return { text, reasoning: reasoningText };
  },

  async reasoning_streamed() {
    const parts = await partsOf(stream("reasoning"));
    return { text: textOf(parts), reasoning: textOf(parts, "reasoning-delta") };
  },

  async image_by_url() {
    const images = PICTURES.map((url) => ({ type: "image", image: new URL(url) }));
    const content = [{ type: "text", text: "Look" }, ...images];
    return (await generateText({ model: duck("form"), messages: [{ role: "user", content }] })).text;
  },

  unknown_model: () => ask("no-such-app"),
  bad_key: () =>
    generateText({ model: createOpenAICompatible({ name: "duck", baseURL, apiKey: "not-the-key" })("echo"), prompt: "Hello" }),
  completion_app: () => ask("completion"),
  completion_app_streamed: () => read(stream("completion")),
  broken: () => ask("broken"),
  broken_stream: () => read(stream("broken")),
  failed_stream: () => read(stream("failing")),
  moderated: async () => (await ask("moderated")).finishReason,
});
