/** The page's texts, in Dify's four languages. */

import { EN } from "./texts/en_US.js";
import { JA } from "./texts/ja_JP.js";
import { PT } from "./texts/pt_BR.js";
import { ZH } from "./texts/zh_Hans.js";

/**
 * @typedef {keyof typeof EN} Key
 * @typedef {keyof typeof LANGUAGES} Language
 */

/** By Dify's names; tag: BCP 47. */
export const LANGUAGES = {
  en_US: { label: "English", tag: "en", texts: EN },
  zh_Hans: { label: "简体中文", tag: "zh-Hans", texts: ZH },
  ja_JP: { label: "日本語", tag: "ja", texts: JA },
  pt_BR: { label: "Português", tag: "pt-BR", texts: PT },
};

/** The first of the browser's languages that there is. @returns {Language} */
export function chosenLanguage() {
  /** @type {Record<string, Language>} */
  const known = { en: "en_US", zh: "zh_Hans", ja: "ja_JP", pt: "pt_BR" };
  for (const tag of navigator.languages) {
    const found = known[tag.split("-")[0] ?? ""];
    if (found) return found;
  }
  return "en_US";
}

/**
 * @param {Language} language
 * @returns {(key: Key, values?: Record<string, string>) => string} with `{name}` replaced by its value
 */
export function sayIn(language) {
  /** @type {Record<Key, string>} */
  const texts = LANGUAGES[language].texts;
  return (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
