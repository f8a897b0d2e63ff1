/** Ready commands and settings for an app, by client. Pure; the key is never in one. */

/**
 * @typedef {import("./api.js").App} App
 * @typedef {{ id: string, label: string, text: string }} Snippet
 */

const KEY = "YOUR_KEY";

/**
 * @param {App} app
 * @param {string} base the endpoint's address, without a slash at its end
 * @returns {Snippet[]}
 */
export function snippets(app, base) {
  const isRun = app.kind === "workflow" || app.kind === "completion";
  const inputs = examples(app);
  const call = {
    ...(isRun || app.needs_query === false ? {} : { query: "Hello" }),
    ...(Object.keys(inputs).length ? { inputs } : {}),
  };
  const route = isRun ? app.kind : "chat";
  const model = `model: "${app.alias}"`;
  const server = { type: "http", url: `${base}/mcp`, headers: { Authorization: `Bearer ${KEY}` } };
  return [
    {
      id: "curl",
      label: "curl",
      text: [
        `curl -N ${base}/${route}/${app.alias} \\`,
        `  -H "Authorization: Bearer ${KEY}" -H "Content-Type: application/json" \\`,
        `  -d ${shellQuoted(JSON.stringify(call))}`,
      ].join("\n"),
    },
    {
      id: "python",
      label: "Python (openai)",
      text: [
        "from openai import OpenAI",
        "",
        `client = OpenAI(base_url="${base}/v1", api_key="${KEY}")`,
        `stream = client.chat.completions.create(`,
        `    model="${app.alias}",`,
        `    messages=[{"role": "user", "content": "Hello"}],`,
        ...(Object.keys(inputs).length ? [`    extra_body={"inputs": ${python(inputs)}},`] : []),
        "    stream=True,",
        ")",
        "for chunk in stream:",
        "    for choice in chunk.choices:",
        '        print(choice.delta.content or "", end="", flush=True)',
      ].join("\n"),
    },
    {
      id: "javascript",
      label: "JavaScript (openai)",
      text: [
        'import OpenAI from "openai";',
        "",
        `const client = new OpenAI({ baseURL: "${base}/v1", apiKey: "${KEY}" });`,
        "const stream = await client.chat.completions.create({",
        `  ${model},`,
        '  messages: [{ role: "user", content: "Hello" }],',
        ...(Object.keys(inputs).length ? [`  inputs: ${JSON.stringify(inputs)},`] : []),
        "  stream: true,",
        "});",
        'for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");',
      ].join("\n"),
    },
    {
      id: "dify",
      label: "Dify SDK",
      text: dify(app, `${base}/apps/${app.alias}/v1`, inputs),
    },
    {
      id: "mcp",
      label: "MCP",
      text: JSON.stringify({ mcpServers: { duck: server } }, null, 2),
    },
    {
      id: "open-webui",
      label: "Open WebUI",
      text: [
        "# Admin Panel → Settings → Connections → OpenAI API → +",
        `URL:   ${base}/v1`,
        `Key:   ${KEY}`,
        `Model: ${app.alias}`,
      ].join("\n"),
    },
    {
      id: "librechat",
      label: "LibreChat",
      text: [
        "# librechat.yaml",
        "endpoints:",
        "  custom:",
        "    - name: Duck",
        `      apiKey: ${KEY}`,
        `      baseURL: ${base}/v1`,
        "      models:",
        `        default: [${JSON.stringify(app.alias)}]`,
        "        fetch: true",
      ].join("\n"),
    },
  ];
}

/**
 * A value for each input that has to be given.
 * @param {App} app
 * @returns {Record<string, unknown>}
 */
function examples(app) {
  const needed = (app.inputs ?? []).filter((field) => field.required || app.kind === "workflow");
  return Object.fromEntries(needed.filter((field) => example(field) !== undefined).map((field) => [field.name, example(field)]));
}

/** @param {import("./api.js").Field} field */
function example(field) {
  const file = { type: field.file_types?.[0] ?? "document", transfer_method: "remote_url", url: "https://example.com/file.pdf" };
  if (field.default !== undefined && field.default !== "") return field.default;
  switch (field.type) {
    case "number":
      return 1;
    case "checkbox":
      return true;
    case "select":
      return field.options?.[0] ?? "";
    case "file":
      return field.required ? file : undefined;
    case "file-list":
      return field.required ? [file] : undefined;
    case "json_object":
      return {};
    default:
      return "Hello";
  }
}

/**
 * Dify's own client for JavaScript, which has none for workflows.
 * @param {App} app
 * @param {string} url
 * @param {Record<string, unknown>} inputs
 */
function dify(app, url, inputs) {
  const given = JSON.stringify(inputs);
  const [name, call] =
    app.kind === "workflow"
      ? ["DifyClient", `sendRequest("POST", "/workflows/run", { inputs: ${given}, response_mode: "blocking", user: "me" })`]
      : app.kind === "completion"
        ? ["CompletionClient", `createCompletionMessage(${given}, "me")`]
        : ["ChatClient", `createChatMessage(${given}, "Hello", "me")`];
  return [
    `import { ${name} } from "dify-client";`,
    "",
    `const client = new ${name}("${KEY}", "${url}");`,
    `const { data } = await client.${call};`,
    `console.log(data.${app.kind === "workflow" ? "data.outputs" : "answer"});`,
  ].join("\n");
}

/** A text as one word of a shell's. @param {string} text */
function shellQuoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A JSON value as Python writes it. @param {unknown} value @returns {string} */
function python(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(/** @type {object} */ (value))
      .map(([name, item]) => `${JSON.stringify(name)}: ${python(item)}`)
      .join(", ")}}`;
  }
  return JSON.stringify(value);
}
