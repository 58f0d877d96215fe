// Installs the package, as it would be published, into an app of its own in a temporary folder, and tries it there: its types,
// what a bundler makes of it, plain Node and rendering on a server; as a module, and where there is only CommonJS.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "acorn";

const PACKAGE = fileURLToPath(new URL("../", import.meta.url));
const APP = fileURLToPath(new URL("../test/pack/", import.meta.url));
const app = mkdtempSync(join(tmpdir(), "livekit-presence-pack-"));

const run = (folder, command, ...args) => {
  try {
    return execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch ({ stdout, stderr }) {
    throw new Error(`${[command, ...args].join(" ")} failed:\n${stdout}\n${stderr}`);
  }
};
const expect = (isSo, what) => {
  if (!isSo) throw new Error(what);
};
const step = (what, act) => {
  const result = act();
  console.log(`ok: ${what}`);
  return result;
};

try {
  const [packed] = step("it is packed", () => {
    // Built before, because what the build prints would stand in the answer.
    run(PACKAGE, "npm", "run", "build");
    return JSON.parse(run(PACKAGE, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", app));
  });

  step("it has what it should have, and nothing else", () => {
    const files = packed.files.map(({ path }) => path);
    const others = files.filter(
      (path) =>
        !/^(dist\/.*\.(js|d\.ts|css)|react\/styles\.css|README\.md|LICENSE|((dist\/cjs|react|query|moderate|svelte|vue)\/)?package\.json)$/.test(
          path,
        ),
    );
    expect(others.length === 0, `these are in it: ${others}`);
    for (const path of ["README.md", "LICENSE", "dist/index.d.ts", "dist/react/styles.css", "dist/share/worker.js"]) {
      expect(files.includes(path), `${path} is not in it`);
    }
    // A component may be imported by a page that is rendered on a server.
    const sources = files.filter((path) =>
      /^dist\/react\/(index|provider|indicator|participants|rooms|room-count|events|connection|room-presence|attendance|timeline|moderation|roster|participant-list)\.js$/.test(
        path,
      ),
    );
    expect(
      sources.length === 14,
      `of the modules that Next.js must know to be a browser's, there are only: ${sources}`,
    );
    for (const path of sources) {
      expect(
        readFileSync(join(PACKAGE, path), "utf8").startsWith('"use client";'),
        `${path} does not begin with "use client"`,
      );
    }
  });

  step("its syntax is that of the engines it is for", () => {
    for (const path of packed.files.map(({ path }) => path).filter((path) => path.endsWith(".js"))) {
      const isCommonJs = path.startsWith("dist/cjs/");
      const text = readFileSync(join(PACKAGE, path), "utf8");
      // As a script it has no `import.meta` either, which React Native does not know.
      parse(text, { ecmaVersion: 2020, sourceType: isCommonJs ? "script" : "module" });
    }
  });

  step("tools that look at packages find nothing wrong with it", () => {
    const tarball = join(app, packed.filename);
    run(PACKAGE, process.execPath, join(PACKAGE, "node_modules/publint/src/cli.js"), tarball, "--strict");
    const attw = join(PACKAGE, "node_modules/@arethetypeswrong/cli/dist/index.js");
    run(PACKAGE, process.execPath, attw, tarball, "--exclude-entrypoints", "react/styles.css");
  });

  step("it is installed", () => {
    cpSync(APP, app, { recursive: true });
    run(app, "npm", "ci", "--no-audit", "--no-fund");
    run(app, "npm", "install", "--no-save", "--no-audit", "--no-fund", join(app, packed.filename));
  });

  const tsc = join(app, "node_modules/typescript/bin/tsc");
  step("its types are found by a bundler's rules", () =>
    run(app, process.execPath, tsc, "--noEmit", "--module", "esnext", "--moduleResolution", "bundler"),
  );
  step("its types are found by Node's rules", () =>
    run(app, process.execPath, tsc, "--noEmit", "--module", "node16", "--moduleResolution", "node16"),
  );

  step("its types are found where `exports` is not known", () =>
    run(app, process.execPath, tsc, "--noEmit", "--module", "commonjs", "--moduleResolution", "node10"),
  );

  // What newer Node can do with modules, others cannot: Node.js 18, Jest.
  const without = "--no-experimental-require-module";
  const asOthers = process.allowedNodeEnvironmentFlags.has("--experimental-require-module") ? [without] : [];
  step("it is required by plain Node", () => {
    const names = "console.log(Object.keys(require('livekit-presence')).sort().join())";
    const printed = run(app, process.execPath, ...asOthers, "-e", names).trim();
    expect(printed === "readRoom,watchEvents,watchRoom,watchRoomList,watchRooms", `it exports ${printed}`);
  });
  step("the adapters are required by plain Node", () => {
    const names =
      "for (const name of ['vue', 'svelte']) console.log(Object.keys(require(`livekit-presence/${name}`)).sort().join())";
    const printed = run(app, process.execPath, ...asOthers, "-e", names).trim();
    const expected =
      "createPresence,useEvents,useParticipants,useRoomCount,useRooms\nevents,participants,roomCount,rooms";
    expect(printed === expected, `they export ${printed}`);
  });
  step("a component is required, and rendered on a server", () => {
    const html = run(app, process.execPath, ...asOthers, "server.cjs");
    expect(html.includes('data-status="connecting"') && html.includes("nobody"), `it rendered ${html}`);
  });
  step("it is found as a folder where `exports` is not known, as by webpack 4 and older React Native", () => {
    for (const name of ["", "/moderate", "/query", "/react", "/svelte", "/vue"]) {
      const folder = join(app, "node_modules/livekit-presence", name);
      const { main, module } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      for (const path of [main, module])
        expect(existsSync(join(folder, path)), `${path} of livekit-presence${name} is not there`);
    }
    expect(existsSync(join(app, "node_modules/livekit-presence/react/styles.css")), "the styles are not there");
  });
  step("React Native is given what has no `import.meta`", () => {
    const found =
      "for (const name of ['', '/moderate', '/query', '/react', '/svelte', '/vue']) console.log(import.meta.resolve(`livekit-presence${name}`))";
    const printed = run(app, process.execPath, "-C", "react-native", "--input-type=module", "-e", found).trim();
    expect(
      printed.split("\n").every((path) => path.includes("/dist/cjs/")),
      `it is given ${printed}`,
    );
  });

  step("Vite builds it, with the worker as a chunk of its own", () => {
    run(app, process.execPath, join(app, "node_modules/vite/bin/vite.js"), "build");
    const assets = readdirSync(join(app, "dist/assets"));
    const worker = assets.filter((name) => /^worker-.*\.js$/.test(name));
    expect(worker.length === 1, `there is no worker in: ${assets}`);
    const text = (name) => readFileSync(join(app, "dist/assets", name), "utf8");
    expect(text(worker[0]).includes("connect"), "the worker takes no connections");
    const main = assets
      .filter((name) => /^index-.*\.js$/.test(name))
      .map(text)
      .join();
    expect(!main.includes("new WebSocket("), "a page that does not ask for it loads the module for WebSocket");
    expect(main.includes("new SharedWorker(") && main.includes(worker[0]), "the page does not start the worker");
    const css = assets
      .filter((name) => name.endsWith(".css"))
      .map(text)
      .join();
    expect(css.includes(".livekit-presence-indicator"), "the styles are not in it");
  });

  step("it is imported by plain Node, which connects nothing", () => {
    const names = "import('livekit-presence').then((all) => console.log(Object.keys(all).sort().join()))";
    const printed = run(app, process.execPath, "-e", names).trim();
    expect(printed === "readRoom,watchEvents,watchRoom,watchRoomList,watchRooms", `it exports ${printed}`);
  });

  step("a component is rendered on a server", () => {
    const html = run(app, process.execPath, "server.js");
    expect(html.includes('data-status="connecting"') && html.includes("nobody"), `it rendered ${html}`);
  });
} catch ({ message }) {
  console.error(message);
  process.exitCode = 1;
} finally {
  rmSync(app, { recursive: true, force: true });
}
