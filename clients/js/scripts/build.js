// Builds dist/, the package as it is published: a module for each source, with its types, and all entries once more as CommonJS.
// Also writes to web/page/built what browsers get of the service's page; the service has these files compiled in. With --check
// it writes nothing there, and fails if they are not what the sources give.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { commonJs } from "./bundle.js";
import { page } from "./page.js";

const PACKAGE = new URL("../", import.meta.url);
const PAGE = new URL("../../../web/page/", import.meta.url);
const path = (name) => fileURLToPath(new URL(name, PACKAGE));

rmSync(path("dist"), { recursive: true, force: true });
execFileSync(process.execPath, [path("node_modules/typescript/bin/tsc"), "-p", path("tsconfig.build.json")], {
  stdio: "inherit",
});
cpSync(path("src/react/styles.css"), path("dist/react/styles.css"));

// For what cannot import: older Node, Jest, and React Native, which has no `import.meta`. The types are the same, but those of
// a module of that kind.
cpSync(path("dist"), path("dist-cjs"), { recursive: true, filter: (name) => !/\.(js|css)$/.test(name) });
cpSync(path("dist-cjs"), path("dist/cjs"), { recursive: true });
rmSync(path("dist-cjs"), { recursive: true });
writeFileSync(path("dist/cjs/package.json"), '{ "type": "commonjs" }\n');
for (const entry of ["index", "moderate/index", "query/index", "react/index", "svelte/index", "vue/index"]) {
  writeFileSync(path(`dist/cjs/${entry}.js`), await commonJs(path(`dist/${entry}.js`)));
}
// Where `exports` of package.json is not known, `livekit-presence/react` and its like are folders.
for (const [name, sideEffects] of [
  ["react", ["./styles.css"]],
  ["query", []],
  ["moderate", []],
  ["svelte", []],
  ["vue", []],
]) {
  mkdirSync(path(name), { recursive: true });
  const entry = {
    type: "commonjs",
    main: `../dist/cjs/${name}/index.js`,
    module: `../dist/${name}/index.js`,
    types: `../dist/cjs/${name}/index.d.ts`,
    sideEffects,
  };
  writeFileSync(path(`${name}/package.json`), `${JSON.stringify(entry, null, 2)}\n`);
}
cpSync(path("src/react/styles.css"), path("react/styles.css"));

const isCheck = process.argv.includes("--check");
// As it was published the package has no page beside it.
const built = existsSync(PAGE) ? await page({ folder: fileURLToPath(PAGE), packages: path("node_modules") }) : [];
for (const { name, text } of built) {
  const file = new URL(`built/${name}`, PAGE);
  if (existsSync(file) && readFileSync(file, "utf8") === text) continue;
  if (!isCheck) writeFileSync(file, text);
  else {
    console.error(
      `web/page/built/${name} is not what its sources give: run \`npm run build\` in clients/js, and commit it`,
    );
    process.exitCode = 1;
  }
}
