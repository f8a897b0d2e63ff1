// The scenarios of npm's `@modelcontextprotocol/sdk`, the client of the older revisions.
// Usage: node sdk.mjs URL KEY
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { run } from "../openai/scenarios.mjs";
import { scenarios } from "./scenarios.mjs";

const [url, key] = process.argv.slice(2);

async function connected(address, secret) {
  const client = new Client({ name: "test", version: "1" });
  const headers = { Authorization: `Bearer ${secret}` };
  const transport = new StreamableHTTPClientTransport(new URL(address), { requestInit: { headers } });
  await client.connect(transport);
  client.version = transport.protocolVersion;
  return client;
}

await run({
  async connect() {
    const client = await connected(url, key);
    const { version } = client;
    const said = { version, server: client.getServerVersion().name, capabilities: client.getServerCapabilities() };
    await client.close();
    return said;
  },
  ...scenarios(url, key, connected, (client, params, options) => client.callTool(params, undefined, options)),
});
