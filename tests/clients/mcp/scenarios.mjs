// What every TypeScript client does, old or new: `connected(url, key)` gives a client, `call(client, params, options)`
// calls a tool with it.
export const scenarios = (url, key, connected, call) => {
  const withClient = async (use, address = url, secret = key) => {
    const client = await connected(address, secret);
    try {
      return await use(client);
    } finally {
      await client.close();
    }
  };
  const text = (result) => result.content[0].text;

  return {
    tools: () => withClient(async (client) => (await client.listTools()).tools.map((tool) => tool.name)),

    bound: () =>
      withClient(
        async (client) => (await client.listTools()).tools.map((tool) => tool.name),
        url.replace("/mcp", "/apps/echo/mcp"),
      ),

    progress: () =>
      withClient(async (client) => {
        const told = [];
        const onprogress = (notice) => told.push([notice.progress, notice.message]);
        const result = await call(client, { name: "workflow", arguments: { text: "Hello" } }, { onprogress });
        return { text: text(result), progress: told };
      }),

    conversation: () =>
      withClient(async (client) => {
        const first = await call(client, { name: "echo", arguments: { query: "one" } });
        const conversation_id = first.structuredContent.conversation_id;
        const second = await call(client, { name: "echo", arguments: { query: "two", conversation_id } });
        return [text(first), text(second)];
      }),

    failing: () =>
      withClient(async (client) => {
        const result = await call(client, { name: "failing", arguments: {} });
        return { isError: result.isError, code: result.structuredContent.error.code };
      }),

    // Without progress the reply begins as one body, and becomes a stream when the app takes long.
    slow: () => withClient(async (client) => text(await call(client, { name: "slow", arguments: { query: "Hello" } }))),

    unknown_tool: () => withClient((client) => call(client, { name: "no-such-tool", arguments: {} })),

    wrong_key: () => withClient(() => "let in", url, "not-the-key-of-anyone"),
  };
};
