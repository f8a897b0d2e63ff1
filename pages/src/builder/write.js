/** The one line of a setting, written from what was filled in. Pure, but for a key's hash. */

import { appEntries } from "./read.js";

/**
 * @typedef {import("./read.js").Setting} Setting
 * @typedef {Record<string, string>} Row what was filled in for one entry, by field
 */

/** The fields of an entry; the first has to be filled in for the entry to count. @type {Record<Setting, string[]>} */
export const FIELDS = {
  aliases: ["alias"],
  apps: ["alias", "app_id", "kind", "title", "about"],
  access_keys: ["key", "name"],
  callers: ["name", "apps", "key"],
  webhook_secrets: ["alias", "scheme", "secret"],
};

/**
 * @param {Setting} setting
 * @param {Row[]} rows
 * @param {(text: string) => Promise<string>} sha256 in hexadecimal digits
 * @param {string} before the line to which they are added
 */
export async function written(setting, rows, sha256, before) {
  const filled = rows.map(trimmed).filter((row) => row[FIELDS[setting][0] ?? ""]);
  if (!filled.length) return before;
  if (setting === "apps") return apps(filled, before.trim());
  return joined(before, await Promise.all(filled.map((row) => ENTRIES[setting](row, sha256))));
}

/** @param {string} before @param {string[]} entries */
function joined(before, entries) {
  return [before.trim().replace(/[\s,;]+$/, ""), ...entries].filter(Boolean).join(", ");
}

/** @type {Record<Exclude<Setting, "apps">, (row: Row, sha256: (text: string) => Promise<string>) => string | Promise<string>>} */
const ENTRIES = {
  aliases: ({ alias = "" }) => alias,
  access_keys: ({ key = "", name }) => (name ? `${name}=${key}` : key),
  callers: async ({ name, apps, key }, sha256) => {
    const scope = apps ? `(${apps})` : "";
    const isHash = /^sha256:/i.test(key ?? "");
    return `${name}${scope}${key ? `=${isHash ? key : `sha256:${await sha256(key)}`}` : ""}`;
  },
  webhook_secrets: ({ alias, scheme, secret }) => `${alias}=${scheme}:${secret}`,
};

/**
 * Pairs where they suffice; else one line of JSON, which is YAML. A line that can't be read stays as it is.
 * @param {Row[]} rows
 * @param {string} before
 */
function apps(rows, before) {
  const known = appEntries(before);
  if (!known) return before;
  const added = rows.map(({ alias = "", ...members }) => /** @type {const} */ ([alias, members]));
  if (!before.startsWith("{") && added.every(([, members]) => isPair(members))) {
    return joined(before, added.map(([alias, { app_id: id = "" }]) => `${alias}=${id}`));
  }
  return JSON.stringify(Object.fromEntries([...known, ...added]));
}

/** @param {Row} members */
function isPair(members) {
  return Object.keys(members).every((name) => name === "app_id");
}

/** Without what was left empty. @param {Row} row @returns {Row} */
function trimmed(row) {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
}
