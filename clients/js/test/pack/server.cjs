const { LiveIndicator, PresenceProvider, useParticipants } = require("livekit-presence/react");
const { createElement } = require("react");
const { renderToString } = require("react-dom/server");

const Room = () => (useParticipants("general").participants.length === 0 ? "nobody" : "somebody");

console.log(renderToString(createElement(PresenceProvider, null, createElement(Room), createElement(LiveIndicator))));
