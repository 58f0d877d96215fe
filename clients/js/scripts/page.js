// What browsers get of the service's page: its scripts with the package and uPlot in them, and its style sheet, minified.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

const BANNER = "Built from web/page and clients/js/src by `npm run build` in clients/js; do not edit.";
const UPLOT = "With uPlot 1.6.32, Copyright (c) Leon Sorokin, MIT License: see uplot-license.txt beside this.";

/**
 * The files of web/page/built, with their texts. What main.js, worker.js and livekit-presence.js have in common is in files of its
 * own, so that nothing is loaded twice. Tests import livekit-presence.js from the page's origin; the page itself does not.
 */
export async function page({ folder, packages }) {
  const source = join(folder, "../../clients/js/src");
  const { outputFiles } = await build({
    entryPoints: {
      main: join(folder, "main.js"),
      style: join(folder, "style.css"),
      "livekit-presence": join(source, "index.ts"),
      worker: join(source, "share/worker.ts"),
    },
    outdir: "built",
    nodePaths: [packages],
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    // The service says there what it has.
    external: ["./features.js"],
    write: false,
  });
  const files = named(outputFiles).map(({ name, text }) => ({ name, text: bannerOf(name, text) + text }));
  return [...files, { name: "uplot-license.txt", text: readFileSync(join(packages, "uplot/LICENSE"), "utf8") }];
}

/** Names that stay what they are when the content changes: the service lists them. */
function named(outputFiles) {
  const files = outputFiles.map(({ path, text }) => ({ name: path.split("/").at(-1), text }));
  const shared = files.map(({ name }) => name).filter((name) => /-[A-Z0-9]{8}\.js$/.test(name));
  const names = new Map();
  for (const name of shared) {
    const base = name.replace(/-[A-Z0-9]{8}\.js$/, "").replace("chunk", "shared");
    const count = [...names.values()].filter((other) => other.startsWith(base)).length;
    names.set(name, `${base}${count ? `-${count + 1}` : ""}.js`);
  }
  const renamed = (text) => [...names].reduce((all, [from, to]) => all.replaceAll(from, to), text);
  return files.map(({ name, text }) => ({ name: names.get(name) ?? name, text: renamed(text) }));
}

function bannerOf(name, text) {
  if (name.endsWith(".css")) return `/* ${BANNER} */\n`;
  return `// ${BANNER}\n${text.includes("uplot") ? `// ${UPLOT}\n` : ""}`;
}
