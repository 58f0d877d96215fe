// Lints all JavaScript and TypeScript of this repository. `npm run lint` runs it at the root, and paths begin there.

import { fileURLToPath } from "node:url";

import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import reactHooks from "eslint-plugin-react-hooks";
import globals from "globals";
import tseslint from "typescript-eslint";

export default defineConfig(
  globalIgnores([
    "**/dist/",
    "target/",
    ".tools/",
    "clients/js/react/",
    "clients/js/query/",
    "clients/js/moderate/",
    "clients/js/svelte/",
    "clients/js/vue/",
    // Compares generated types, which are not there before `npm run check`.
    "clients/js/test/generated/",
    "clients/js/test/openapi-types.ts",
    "web/page/built/",
  ]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    extends: [tseslint.configs.strictTypeChecked, reactHooks.configs["recommended-latest"]],
    languageOptions: {
      parserOptions: {
        tsconfigRootDir: fileURLToPath(new URL("../../", import.meta.url)),
        project: ["clients/js/tsconfig.json", "clients/js/test/tsconfig.json"],
      },
    },
    rules: {
      // `return onLost();` and `() => feed.suspend()` are shorter than the same in braces, and as clear.
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-meaningless-void-operator": "off",
      // Two options may have the same default, in seconds or milliseconds.
      "@typescript-eslint/no-duplicate-enum-values": "off",
      // The compiler cannot know, say, that only a connection of rooms has a stream.
      "@typescript-eslint/no-non-null-assertion": "off",
      // `Refusal` is thrown as it is, and never with what the page threw: a token may be in that.
      "@typescript-eslint/only-throw-error": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: ["clients/js/test/**"],
    rules: {
      // What stands in for the service and for livekit-client has their signatures.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/restrict-template-expressions": "off",
    },
  },
  // Vue's composables have the names of React's hooks, and other rules.
  { files: ["clients/js/{src,test}/vue/**"], rules: { "react-hooks/rules-of-hooks": "off" } },
  {
    // Apps of their own, which know the types of the package only once it is built. Their builds check types.
    files: ["examples/react/**", "clients/js/test/pack/**"],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { parserOptions: { project: false } },
  },
  { files: ["web/{api,page}/**"], languageOptions: { globals: globals.browser } },
  {
    files: ["clients/js/*.js", "clients/js/scripts/**", "clients/js/test/pack/*.{js,cjs}", "tests/browser/**"],
    languageOptions: { globals: globals.node },
  },
  // Runs in the page that the driver looks at.
  { files: ["tests/browser/look.js"], languageOptions: { globals: globals.browser } },
);
