/** The key in this tab's storage, where the visitor has ticked so; under the endpoint's path. A browser may refuse its storage. */

import { BASE } from "./api.js";

const NAME = `duck-key:${BASE}`;

/** @param {string | null} key null forgets */
export function keep(key) {
  try {
    if (key === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, key);
  } catch {
    // The key stays in memory.
  }
}

/** `""` for none. */
export function kept() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}
