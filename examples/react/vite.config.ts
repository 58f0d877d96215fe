import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // The package looks for its worker beside its modules, so Vite must not bundle them.
  optimizeDeps: { exclude: ["livekit-presence"] },
  // This package is a link to a folder that has a React of its own. The package from npm needs neither `dedupe` nor `fs.allow`.
  resolve: { dedupe: ["react", "react-dom"] },
  server: {
    fs: { allow: [".", "../../clients/js/dist"] },
    proxy: { "/api": "http://localhost:8080" },
  },
});
