/**
 * An app's Markdown as elements. What an app says is anybody's text, and this page shares its origin with Dify's console:
 * HTML in it stays text, the result is sanitised all the same, and nothing in it is loaded from anywhere.
 */

import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

const TITLES_ABOVE = 2; // the page's, and the app's

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true });

// An image would be asked of another host; a link to it is asked by nobody but the reader.
markdown.renderer.rules["image"] = (tokens, index) => {
  const token = tokens[index];
  const address = markdown.utils.escapeHtml(String(token?.attrGet("src") ?? ""));
  return `<a href="${address}">${markdown.utils.escapeHtml(token?.content || address)}</a>`;
};

// The page's own titles stand above an app's.
for (const rule of ["heading_open", "heading_close"]) {
  markdown.renderer.rules[rule] = (tokens, index, options, _, renderer) => {
    const token = tokens[index];
    if (token) token.tag = `h${Math.min(Number(token.tag.slice(1)) + TITLES_ABOVE, 6)}`;
    return renderer.renderToken(tokens, index, options);
  };
}

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A") return;
  // With both slashes: `http:/console` is an address of this origin's.
  if (!/^https?:\/\//i.test(node.getAttribute("href") ?? "")) return node.removeAttribute("href");
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer");
});

const ALLOWED = {
  ALLOWED_TAGS: [
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["href", "start"],
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: /** @type {const} */ (true),
};

/**
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function rendered(text) {
  return DOMPurify.sanitize(markdown.render(text), ALLOWED);
}
