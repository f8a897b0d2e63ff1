/**
 * An app's Markdown as elements. What an app says is anybody's text, and this page shares its origin with Dify's console:
 * HTML in it stays text, the result is sanitised all the same, and nothing in it is loaded from anywhere.
 */

import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true });

// An image would be asked of another host; a link to it is asked by nobody but the reader.
markdown.renderer.rules["image"] = (tokens, index) => {
  const token = tokens[index];
  const address = markdown.utils.escapeHtml(String(token?.attrGet("src") ?? ""));
  return `<a href="${address}">${markdown.utils.escapeHtml(token?.content || address)}</a>`;
};

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A") return;
  if (!/^https?:/i.test(node.getAttribute("href") ?? "")) node.removeAttribute("href");
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer");
});

const ALLOWED = {
  ALLOWED_TAGS: [
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["href", "start"],
  RETURN_DOM_FRAGMENT: /** @type {const} */ (true),
};

/**
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function rendered(text) {
  return DOMPurify.sanitize(markdown.render(text), ALLOWED);
}
