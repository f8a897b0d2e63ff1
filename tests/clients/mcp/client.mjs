// The scenarios of npm's `@modelcontextprotocol/client`, in its own default era or with `auto` in the newest.
// Usage: node client.mjs URL KEY legacy|auto
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { run } from "../openai/scenarios.mjs";
import { scenarios } from "./scenarios.mjs";

const [url, key, mode] = process.argv.slice(2);

async function connected(address, secret) {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  const headers = { Authorization: `Bearer ${secret}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(address), { requestInit: { headers } }));
  return client;
}

await run({
  async connect() {
    const client = await connected(url, key);
    const version = client.getNegotiatedProtocolVersion();
    const said = { version, server: client.getServerVersion().name, capabilities: client.getServerCapabilities() };
    await client.close();
    return said;
  },
  ...scenarios(url, key, connected, (client, params, options) => client.callTool(params, options)),
});
