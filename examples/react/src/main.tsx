import "livekit-presence/react/styles.css";
import "./sidebar.css";

import { PresenceProvider } from "livekit-presence/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";
import { url } from "./token";

// An app with users gets their token from its own server:
// token={() => fetch("/token").then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))}
const token: string | undefined = import.meta.env.VITE_PRESENCE_TOKEN;

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <PresenceProvider url={url} token={token}>
      <App />
    </PresenceProvider>
  </StrictMode>,
);
