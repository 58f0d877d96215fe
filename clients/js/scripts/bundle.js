// What a bundler makes of an entry of the package.

import { build } from "esbuild";

/** One minified module, with all that it imports but `external`. The entry is a file, or the text of a module. */
export async function bundle(entry, { external = [], banner = "", isText = false } = {}) {
  const plugin = {
    name: "leave out",
    setup: ({ onResolve }) =>
      onResolve({ filter: /./ }, ({ path, kind }) => {
        const isLeftOut = kind !== "entry-point" && external.some((name) => path.includes(name));
        return isLeftOut ? { path, external: true } : null;
      }),
  };
  const { outputFiles } = await build({
    ...(isText ? { stdin: { contents: entry, resolveDir: "." } } : { entryPoints: [entry] }),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2020",
    charset: "utf8",
    legalComments: "none",
    write: false,
    plugins: [plugin],
  });
  return banner + outputFiles[0].text;
}

/** An entry of the package as CommonJS, in one file, with nothing in it that only modules may have. */
export async function commonJs(entry) {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: "cjs",
    target: "es2020",
    charset: "utf8",
    external: ["react", "react/jsx-runtime", "vue"],
    // The worker is not found from there: tabs share by the other way.
    define: { "import.meta.url": "undefined" },
    logLevel: "warning",
    write: false,
  });
  return outputFiles[0].text;
}
