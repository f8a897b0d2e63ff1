/**
 * A line of Dify's settings form, read by the rules of Duck's own reader (gateway/settings), entry by entry. Pure; nothing
 * that is read here leaves the page.
 */

import { FAILSAFE_SCHEMA, load } from "js-yaml";

/**
 * @typedef {"aliases" | "apps" | "access_keys" | "callers" | "webhook_secrets"} Setting
 * @typedef {import("./texts.js").Key} Key
 * @typedef {{ key: Key, values?: Record<string, string> }} Told a text, and what stands in it
 * @typedef {{ isFine: boolean, told: Told }} Entry what an entry means, or what is wrong with it
 */

const ALIAS = /^[A-Za-z0-9_-]{1,64}$/;
const PLACEHOLDERS = new Set(["<app_id>", "{app_id}", ":app_id", "app_id", "<alias>", "{alias}"]);
const CALLER = /^[a-z][a-z0-9_-]{0,31}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/i;
const UUID = /^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;
const MASK = "****";
const MIN_KEY = 16;
const MOST_SECRETS = 32;
const MOST_PICKED = 5;
const MEMBERS = ["app_id", "kind", "query", "answer", "user", "transcript", "instructions", "title", "about"];
export const KINDS = ["chat", "agent", "agent-chat", "chatflow", "advanced-chat", "workflow", "completion"];
export const SCHEMES = ["standard", "svix", "github", "stripe", "slack", "generic"];
const HAS_BASE64_KEY = new Set(["standard", "svix"]);

/**
 * The entries of a list in one line: commas and semicolons separate, of any keyboard, and white space, but not inside
 * parentheses.
 * @param {string} text
 */
export function split(text) {
  return text.match(/(?:\([^()]*\)|[^,;\uff0c\u3001\uff1b\s])+/g) ?? [];
}

/**
 * @param {Setting} setting
 * @param {string} line
 * @returns {Entry[]}
 */
export function read(setting, line) {
  return READERS[setting](line.trim());
}

/** @type {Record<Setting, (text: string) => Entry[]>} */
const READERS = {
  aliases: (text) => {
    const seen = new Set();
    return split(text).map((alias, index) => {
      if (index >= MOST_PICKED) return wrong("tooManyAliases");
      const problem = aliasProblem(alias) ?? (seen.has(alias) ? wrong("twice") : null);
      seen.add(alias);
      return problem ?? fine("isAlias", { alias, place: String(index + 1) });
    });
  },
  apps: (text) => {
    const entries = appEntries(text);
    if (!entries) return [wrong("noMapping")];
    const seen = new Set();
    return entries.map(([alias, entry]) => {
      const problem = aliasProblem(alias) ?? (seen.has(alias) ? wrong("twice") : null);
      seen.add(alias);
      return problem ?? app(alias, entry);
    });
  },
  access_keys: (text) => {
    /** @type {Map<string, string>} */
    const known = new Map();
    return split(text).map((item) => {
      const [before, after] = partition(item, "=");
      const isNamed = after !== null && after.replace(/^=+|=+$/g, "") !== "" && CALLER.test(before);
      return key(isNamed ? before : "default", isNamed ? after : item, known);
    });
  },
  callers: (text) => {
    /** @type {Map<string, string>} */
    const known = new Map();
    const plain = text.replaceAll("\uff08", "(").replaceAll("\uff09", ")").replace(/\s*([=(])\s*/g, "$1");
    return split(plain).map((item) => caller(item, known));
  },
  webhook_secrets: (text) => split(text).map((item, index) => secret(item, index + 1)),
};

/** @param {Key} key @param {Record<string, string>} [values] @returns {Entry} */
function fine(key, values = {}) {
  return { isFine: true, told: { key, values } };
}

/** @param {Key} key @param {Record<string, string>} [values] @returns {Entry} */
function wrong(key, values = {}) {
  return { isFine: false, told: { key, values } };
}

/** @param {string} text @param {string} sign @returns {[string, string | null]} */
function partition(text, sign) {
  const at = text.indexOf(sign);
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + sign.length)];
}

/** @param {string} alias */
function aliasProblem(alias) {
  if (!ALIAS.test(alias)) return wrong("badAlias");
  if (alias === "completions") return wrong("reservedAlias", { alias });
  return PLACEHOLDERS.has(alias) ? wrong("placeholder") : null;
}

/**
 * What the setting `apps` holds: aliases, each with an id or with members.
 * @param {string} text
 * @returns {[string, unknown][] | null} null for what is no mapping
 */
export function appEntries(text) {
  return text.startsWith("{") ? mapping(text) : pairs(text);
}

/** @param {string} text @returns {[string, unknown][]} */
function pairs(text) {
  return split(text.replace(/\s*=\s*/g, "=")).map((item) => {
    const [alias, id] = partition(item, "=");
    return [alias, id ?? alias];
  });
}

/** @param {string} text @returns {[string, unknown][] | null} */
function mapping(text) {
  try {
    const read = load(text, { schema: FAILSAFE_SCHEMA, json: true }); // of a key that is there twice, the last counts
    return read !== null && typeof read === "object" && !Array.isArray(read) ? Object.entries(read) : null;
  } catch {
    return null;
  }
}

/**
 * @param {string} alias
 * @param {unknown} entry
 */
function app(alias, entry) {
  const members = typeof entry === "string" ? { app_id: entry } : entry;
  if (members === null || typeof members !== "object" || Array.isArray(members)) return wrong("badMembers");
  const { hook, ...texts } = /** @type {Record<string, unknown>} */ (members);
  if (hook !== undefined && (hook === null || typeof hook !== "object" || Array.isArray(hook))) return wrong("badMembers");
  if (!Object.entries(texts).every(([name, value]) => MEMBERS.includes(name) && typeof value === "string")) return wrong("badMembers");
  const { app_id: id = "", kind = "", title = "" } = /** @type {Record<string, string>} */ (texts);
  if (id.startsWith("app-")) return wrong("keyInApps");
  if (id ? !UUID.test(id) : typeof entry === "string") return wrong("badId");
  if (kind && !KINDS.includes(kind)) return wrong("badKind", { kinds: KINDS.join(", ") });
  if (hook !== undefined) return fine("hasHook", { alias });
  if (!id) return fine("isAddition", { alias });
  return fine("isApp", { alias: title ? `${alias} (${title})` : alias, id, kind: kind ? `, ${kind}` : "" });
}

/**
 * @param {string} name
 * @param {string} text the key itself, or `sha256:` and its hash
 * @param {Map<string, string>} known whose each key is, in this setting
 */
function key(name, text, known) {
  if (text.includes(MASK)) return wrong("mask");
  if (text.endsWith("(stdin)=")) return wrong("openssl");
  const isHash = text.toLowerCase().startsWith("sha256:");
  if (isHash && !DIGEST.test(text)) return wrong("badHash");
  if (!isHash && [...text].length < MIN_KEY) return wrong("shortKey");
  if (name === "anonymous") return wrong("anonymous");
  const same = isHash ? text.toLowerCase() : text;
  if (known.has(same) && known.get(same) !== name) return wrong("twoNames");
  known.set(same, name);
  return fine(isHash ? "isHash" : "isKey", { name });
}

/**
 * @param {string} item
 * @param {Map<string, string>} known
 */
function caller(item, known) {
  const entry = /^([^()=]*)(\([^()]*\))?(?:=([^()]*))?$/.exec(item);
  const [, name = "", apps, given] = entry ?? [];
  if (!entry || !CALLER.test(name)) return wrong(/[()[\]{}]/.test(item) ? "badScope" : "badCaller");
  if (apps === undefined && given === undefined) return wrong("badCaller");
  const listed = apps === undefined ? [] : split(apps.slice(1, -1));
  if (apps !== undefined && !listed.length) return wrong("noApps");
  if (given !== undefined) {
    if (!given.toLowerCase().startsWith("sha256:")) return wrong("plainKey");
    const read = key(name, given, known);
    if (!read.isFine) return read;
  }
  return apps === undefined
    ? fine("isHash", { name })
    : fine(given === undefined ? "isScope" : "isHashAndScope", { name, apps: listed.join(", ") });
}

/**
 * @param {string} item
 * @param {number} place
 */
function secret(item, place) {
  const [alias, rest] = partition(item, "=");
  const [scheme, text] = partition(rest ?? "", ":");
  if (item.includes(MASK)) return wrong("mask");
  if (text === null) return wrong("badSecret");
  if (place > MOST_SECRETS) return wrong("tooManySecrets", { most: String(MOST_SECRETS) });
  if (!SCHEMES.includes(scheme)) return wrong("badScheme", { schemes: SCHEMES.join(", ") });
  const strength = HAS_BASE64_KEY.has(scheme) ? base64Length(text) : bytesOf(text);
  if (strength < 0) return wrong("badBase64");
  return strength < MIN_KEY ? wrong("shortSecret") : fine(scheme === "generic" ? "isGeneric" : "isSecret", { alias, scheme });
}

/** Bytes of a secret that are its own. @param {string} text */
function bytesOf(text) {
  return new TextEncoder().encode(text.replace(/^whsec_/, "")).length;
}

/** Bytes that base64 stands for; -1 for what is none. @param {string} text */
function base64Length(text) {
  const encoded = text.replace(/^whsec_/, "").replace(/=+$/, "");
  if (!/^[A-Za-z0-9+/]*$/.test(encoded) || encoded.length % 4 === 1) return -1;
  return Math.floor((encoded.length * 3) / 4);
}
