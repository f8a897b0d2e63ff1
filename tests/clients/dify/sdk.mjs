// The scenarios of npm's `dify-client`, which has no stop of its own: it is sent as the client sends anything.
// Usage: node sdk.mjs ENDPOINT KEY USER
// The user is one that nobody else is, so that its conversations are those of these scenarios.
import { ChatClient, CompletionClient } from "dify-client";

import { run } from "../openai/scenarios.mjs";

const [ENDPOINT, KEY, USER] = process.argv.slice(2);
const PNG = Buffer.concat([Buffer.from([0x89]), Buffer.from("PNG\r\n\x1a\n and a picture behind it")]);
const LINKED = "https://files.example/cat.png";

const client = (Kind, app, key = KEY) => new Kind(key, `${ENDPOINT}/apps/${app}/v1`);
const chat = (app, key) => client(ChatClient, app, key);
const completions = (app) => client(CompletionClient, app);

// The reply's body, or the error that it tells.
async function given(sent) {
  try {
    return (await sent).data;
  } catch (error) {
    const { status, data } = error.response;
    const { code, message } = typeof data.pipe === "function" ? JSON.parse((await data.toArray()).join("")) : data;
    throw Object.assign(new Error(message), { status, code });
  }
}

async function* events(sent) {
  let rest = "";
  for await (const chunk of (await given(sent)).setEncoding("utf8")) {
    const frames = (rest + chunk).split("\n\n");
    rest = frames.pop();
    yield* frames.filter((frame) => frame.startsWith("data: ")).map((frame) => JSON.parse(frame.slice(6)));
  }
}

const ask = (app, query = "Hello", { user = USER, conversation_id = null, files = null } = {}) =>
  given(chat(app).createChatMessage({}, query, user, false, conversation_id, files));
const stream = (app, query = "Hello", { conversation_id = null, files = null } = {}) =>
  Array.fromAsync(events(chat(app).createChatMessage({}, query, USER, true, conversation_id, files)));

const namesOf = (found) => [...new Set(found.map((event) => event.event))];
const answerOf = (found) =>
  found.filter((event) => event.event === "message").map((event) => event.answer).join("");
const arrived = (answer) => JSON.parse(answer).files.map((file) => [file.transfer_method, file.name, file.size]);

async function upload(app) {
  const form = new FormData();
  form.append("user", USER);
  form.append("file", new Blob([PNG], { type: "image/png" }), "cat.png");
  const { id } = await given(chat(app).fileUpload(form));
  return { type: "image", transfer_method: "local_file", upload_file_id: id };
}

// Begins, is stopped after its first event, and is read to its end.
async function stopped(app, starting, path) {
  const coming = events(starting);
  try {
    const { value: first } = await coming.next();
    const { result } = await given(chat(app).sendRequest("POST", path(first.task_id), { user: USER }));
    const last = (await Array.fromAsync(coming)).at(-1);
    return { result, last };
  } finally {
    await coming.return(); // else a run that could not be stopped keeps this process alive
  }
}

await run({
  async parameters() {
    const { user_input_form } = await given(chat("workflow").getApplicationParameters(USER));
    return user_input_form.flatMap((entry) => Object.entries(entry).map(([kind, field]) => [kind, field.variable]));
  },

  async blocking() {
    const { event, mode, answer } = await ask("echo");
    return [event, mode, answer];
  },

  async streamed() {
    const found = await stream("echo");
    return { names: namesOf(found), answer: answerOf(found) };
  },

  async turns() {
    const first = await ask("echo", "one");
    const second = await ask("echo", "two", { conversation_id: first.conversation_id });
    return [first.answer, second.answer, first.conversation_id === second.conversation_id];
  },

  async turns_of_a_stream() {
    const [{ conversation_id }] = await stream("chatflow", "one");
    const second = await stream("chatflow", "two", { conversation_id });
    return [answerOf(second), second.every((event) => event.conversation_id === conversation_id)];
  },

  async completion() {
    return (await given(completions("completion").createCompletionMessage({ query: "Hello" }, USER))).answer;
  },

  async completion_streamed() {
    const sent = completions("completion").createCompletionMessage({ query: "Hello" }, USER, true);
    return answerOf(await Array.fromAsync(events(sent)));
  },

  async workflow() {
    const { data } = await given(completions("workflow").runWorkflow({ text: "Hello" }, USER));
    return [data.status, data.outputs];
  },

  async workflow_streamed() {
    const found = await Array.fromAsync(events(completions("workflow").runWorkflow({ text: "Hello" }, USER, true)));
    return { names: namesOf(found), outputs: found.at(-1).data.outputs };
  },

  async uploaded_picture() {
    return arrived((await ask("mirror", "Look", { files: [await upload("mirror")] })).answer);
  },

  async uploaded_picture_in_a_chatflow() {
    return arrived(answerOf(await stream("gallery", "Look", { files: [await upload("gallery")] })));
  },

  async linked_picture() {
    const files = [{ type: "image", transfer_method: "remote_url", url: LINKED }];
    return arrived((await ask("mirror", "Look", { files })).answer);
  },

  async stop() {
    const starting = chat("endless").createChatMessage({}, "Hello", USER, true);
    const { result, last } = await stopped("endless", starting, (id) => `/chat-messages/${id}/stop`);
    return [result, last.event];
  },

  async stop_of_a_workflow() {
    const starting = completions("endless-workflow").runWorkflow({}, USER, true);
    const { result, last } = await stopped("endless-workflow", starting, (id) => `/workflows/tasks/${id}/stop`);
    return [result, last.event, last.data.status];
  },

  // Two of them, of which the older one is read, renamed and deleted.
  async conversations() {
    const other = `${USER}-lists`;
    const api = chat("echo");
    const { conversation_id: older } = await ask("echo", "one", { user: other });
    const { conversation_id: newer } = await ask("echo", "two", { user: other });
    const listed = async (limit) => (await given(api.getConversations(other, null, limit))).data;
    const both = (await listed()).map((item) => item.id);
    const messages = (await given(api.getConversationMessages(other, older))).data;
    const page = await listed(1);
    await given(api.renameConversation(older, "Ducks", other, false));
    const renamed = (await listed()).map((item) => item.name).sort();
    await given(api.deleteConversation(older, other));
    const left = (await listed()).map((item) => item.id);
    return {
      listed: both.join() === [newer, older].join(),
      messages: messages.map((message) => [message.query, message.answer]),
      page: page.map((item) => item.name),
      renamed,
      left: left.join() === newer,
    };
  },

  async feedback() {
    const { message_id, conversation_id } = await ask("echo");
    const { result } = await given(chat("echo").messageFeedback(message_id, "like", USER));
    const { data } = await given(chat("echo").getConversationMessages(USER, conversation_id));
    return [result, data[0].feedback];
  },

  bad_key: () => given(chat("echo", "not-the-key-of-anyone").createChatMessage({}, "Hello", USER)),
  unknown_conversation: () => ask("echo", "Hello", { conversation_id: "d1f7ffff-0000-4000-8000-000000000001" }),
  async conversation_of_another_app() {
    const { conversation_id } = await ask("echo");
    return ask("chatflow", "Hello", { conversation_id });
  },
  no_query: () => ask("echo", ""),
});
