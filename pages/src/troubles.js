/** What goes wrong, as it is told: in the page's own words, or in the endpoint's. */

/**
 * @typedef {import("./texts.js").Key} Key
 * @typedef {Record<string, string>} Values what stands in a text, by name
 */

/** Told in the page's words, so in its language. */
export class Trouble extends Error {
  /**
   * @param {Key} key
   * @param {Values} [values]
   */
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

/** A refusal of the endpoint's, as its sentence for people. */
export class Refusal extends Error {}

/** A value that can't be sent, and the field that it is in. */
export class BadInput extends Trouble {
  /**
   * @param {Key} key
   * @param {string} name
   * @param {HTMLElement} control
   */
  constructor(key, name, control) {
    super(key, { name });
    this.control = control;
  }
}
