// Reads and writes lines of settings as the page does: `node read.mjs CASES`, a JSON list of {setting, line} or {setting,
// rows, before}; prints for each, as JSON in a line of its own, the entries as they were read, or the line that was written.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

import { read } from "../../pages/src/builder/read.js";
import { TEXTS } from "../../pages/src/builder/texts.js";
import { written } from "../../pages/src/builder/write.js";
import { LANGUAGES } from "../../pages/src/texts.js";

const sha256 = async (text) => createHash("sha256").update(text).digest("hex");

for (const { setting, line, rows, before } of JSON.parse(await readFile(process.argv[2], "utf8"))) {
  const told = rows ? { line: await written(setting, rows, sha256, before ?? "") } : { entries: read(setting, line) };
  console.log(JSON.stringify(told));
}
const page = Object.fromEntries(Object.entries(LANGUAGES).map(([language, { texts }]) => [language, texts]));
console.log(JSON.stringify({ texts: [page, TEXTS] }));
