// Prints the page's snippets for the apps in a file: `node snippets.mjs APPS BASE`, one JSON object a line.

import { readFile } from "node:fs/promises";

import { snippets } from "../../pages/src/snippets.js";

const [apps, base] = process.argv.slice(2);
for (const app of JSON.parse(await readFile(apps, "utf8"))) {
  for (const { id, text } of snippets(app, base)) console.log(JSON.stringify({ alias: app.alias, id, text }));
}
