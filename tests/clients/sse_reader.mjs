// Reads an event stream with eventsource-parser and prints each event as one line of JSON: {"event", "data"}.
// Usage: node sse_reader.mjs URL METHOD BODY_JSON KEY   (BODY_JSON and KEY may be empty)
// Anything but a well-formed stream with status 200 is an error: exit code 1 and a sentence on stderr.
import { createParser } from "eventsource-parser";

const [url, method, body, key] = process.argv.slice(2);

const headers = { Accept: "text/event-stream" };
if (body) headers["Content-Type"] = "application/json";
if (key) headers.Authorization = `Bearer ${key}`;

const response = await fetch(url, { method, headers, body: body || undefined });
const type = response.headers.get("content-type") ?? "";
if (response.status !== 200 || !type.startsWith("text/event-stream")) {
  throw new Error(`expected an event stream, got ${response.status} ${type}: ${await response.text()}`);
}

const parser = createParser({
  onEvent: ({ event, data }) => console.log(JSON.stringify({ event: event ?? "message", data })),
  onError: (error) => {
    throw error;
  },
});
for await (const text of response.body.pipeThrough(new TextDecoderStream("utf-8", { fatal: true }))) parser.feed(text);
parser.reset({ consume: true }); // reports a line that was never ended
