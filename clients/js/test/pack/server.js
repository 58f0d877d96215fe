import { LiveIndicator, PresenceProvider, useParticipants } from "livekit-presence/react";
import { createElement } from "react";
import { renderToString } from "react-dom/server";

const Room = () => (useParticipants("general").participants.length === 0 ? "nobody" : "somebody");

console.log(renderToString(createElement(PresenceProvider, null, createElement(Room), createElement(LiveIndicator))));
