/** The one line of a setting, written from what was filled in. Pure, but for a key's hash. */

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
 */
export async function written(setting, rows, sha256) {
  const filled = rows.map(trimmed).filter((row) => row[FIELDS[setting][0] ?? ""]);
  if (setting === "apps") return apps(filled);
  const entries = await Promise.all(filled.map((row) => ENTRIES[setting](row, sha256)));
  return entries.join(", ");
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

/** Pairs where they suffice; else one line of JSON, which is YAML. @param {Row[]} rows */
function apps(rows) {
  if (rows.every((row) => Object.keys(row).every((name) => name === "alias" || name === "app_id"))) {
    return rows.map(({ alias, app_id: id }) => `${alias}=${id ?? ""}`).join(", ");
  }
  return JSON.stringify(Object.fromEntries(rows.map(({ alias, ...members }) => [alias, members])));
}

/** Without what was left empty. @param {Row} row @returns {Row} */
function trimmed(row) {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
}
