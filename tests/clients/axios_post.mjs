// Posts JSON with axios as it comes, adding only the key, and prints the reply as one line of JSON:
// {"status", "headers", "data"}; `data` is whatever axios made of the body.
// Usage: node axios_post.mjs URL BODY_JSON KEY   (KEY may be empty)
import axios from "axios";

const [url, body, key] = process.argv.slice(2);

const { status, headers, data } = await axios.post(url, JSON.parse(body), {
  headers: key ? { Authorization: `Bearer ${key}` } : {},
  validateStatus: () => true,
});
console.log(JSON.stringify({ status, headers, data }));
