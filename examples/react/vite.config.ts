import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // The package's worker is found beside its modules, so they stay as they are.
  optimizeDeps: { exclude: ["livekit-presence"] },
  // The package is linked from beside the examples, where it has a React of its own. One from npm needs neither of these two.
  resolve: { dedupe: ["react", "react-dom"] },
  server: {
    fs: { allow: [".", "../../clients/js/dist"] },
    proxy: { "/api": "http://localhost:8080" },
  },
});
