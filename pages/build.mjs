// Bundles pages/src into pages/built: one script, one style sheet, and what is taken as it is. The licences of what the script holds stand at
// its head, as they ask for.

import { copyFile, mkdir, readFile, readdir } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const built = join(here, "built");

/** The folders of the packages that a bundle holds. */
function packagesIn(metafile) {
  const modules = `node_modules${sep}`;
  const names = Object.keys(metafile.inputs)
    .map((path) => path.split("/").join(sep))
    .filter((path) => path.includes(modules))
    .map((path) => path.slice(path.lastIndexOf(modules) + modules.length).split(sep))
    .map(([first, second]) => (first.startsWith("@") ? `${first}/${second}` : first));
  return [...new Set(names)].sort();
}

async function licenceOf(name) {
  const folder = join(here, "node_modules", name);
  const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? await readFile(join(folder, file), "utf8") : "";
  return `${name} ${version} (${license})\n\n${text.trim().replaceAll("*/", "* /")}`;
}

const options = {
  absWorkingDir: here,
  entryPoints: ["src/main.js"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  outfile: join(built, "page.js"),
};

const { metafile } = await build({ ...options, write: false, metafile: true });
const licences = await Promise.all(packagesIn(metafile).map(licenceOf));
await mkdir(built, { recursive: true });
await build({ ...options, banner: { js: `/*!\n${licences.join("\n\n---\n\n")}\n*/` } });
await build({ absWorkingDir: here, entryPoints: ["src/page.css"], bundle: true, minify: true, outfile: join(built, "page.css") });
for (const name of ["icon.svg", "index.html"]) await copyFile(join(here, "src", name), join(built, name));
