import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/** The same tests of src/react, against one version of React. */
const react = (name: string, more: TestProjectInlineConfiguration = {}): TestProjectInlineConfiguration => ({
  ...more,
  esbuild: { jsx: "automatic" },
  test: {
    name,
    environment: "jsdom",
    include: ["test/react/*.test.ts", "test/react/*.test.tsx"],
    setupFiles: [more.test?.setupFiles ?? [], "test/react/setup.ts"].flat(),
  },
});

export default defineConfig({
  test: {
    projects: [
      { test: { name: "core", environment: "node", include: ["test/*.test.ts"], setupFiles: ["test/setup.ts"] } },
      {
        test: {
          name: "old-engines",
          environment: "node",
          include: ["test/*.test.ts"],
          setupFiles: ["test/old-engines.ts"],
        },
      },
      {
        test: {
          name: "adapters",
          environment: "jsdom",
          include: ["test/vue/*.test.ts", "test/svelte/*.test.ts"],
        },
        // Svelte's stores and effects of a browser, not of a server.
        resolve: { conditions: ["browser"] },
      },
      react("react-19"),
      react("react-18", {
        resolve: { alias: [{ find: /^(react|react-dom)(?=\/|$)/, replacement: "$1-18" }] },
        test: { setupFiles: ["test/react/react-18.ts"] },
      }),
    ],
  },
});
