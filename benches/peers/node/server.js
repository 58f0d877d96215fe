// The same job as a plain Node.js service does it: webhooks, a Map of rooms, server-sent events. For `make bench-peers`, which measures
// it beside the service. It verifies what LiveKit signs, orders nothing that comes late, repairs nothing and is one process.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const { PORT, LIVEKIT_API_KEY, LIVEKIT_API_SECRET } = process.env;
const rooms = new Map();

function roomOf(name) {
  let room = rooms.get(name);
  if (!room) rooms.set(name, (room = { people: new Map(), streams: new Set() }));
  return room;
}

const frameOf = (room) => `event: participants:update\ndata: ${JSON.stringify([...room.people.values()])}\n\n`;

function verify(token, body) {
  const [head, claims, signature] = token.split(".");
  const expected = createHmac("sha256", LIVEKIT_API_SECRET).update(`${head}.${claims}`).digest();
  const given = Buffer.from(signature ?? "", "base64url");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new Error("not signed by LiveKit");
  const { iss, exp, sha256 } = JSON.parse(Buffer.from(claims, "base64url"));
  const isCurrent = iss === LIVEKIT_API_KEY && exp > Date.now() / 1000;
  if (!isCurrent || createHash("sha256").update(body).digest("base64") !== sha256) throw new Error("not this webhook");
}

function apply({ event, room: { name }, participant }) {
  const room = roomOf(name);
  if (event === "participant_joined") {
    const { sid, identity, metadata, joinedAtMs, permission } = participant;
    room.people.set(identity, { sid, identity, name: participant.name, metadata, joinedAt: Number(joinedAtMs), permission, tracks: [] });
  } else if (event === "participant_left") {
    room.people.delete(participant.identity);
  } else {
    return;
  }
  const frame = frameOf(room);
  for (const stream of room.streams) stream.write(frame);
}

function stream(request, response, url) {
  const room = roomOf(url.searchParams.get("room"));
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  response.write(frameOf(room));
  room.streams.add(response);
  request.on("close", () => room.streams.delete(response));
}

function webhook(request, response) {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    try {
      verify(request.headers.authorization ?? "", body);
      apply(JSON.parse(body));
      response.writeHead(200, { "Content-Length": 0 }).end();
    } catch {
      response.writeHead(401, { "Content-Length": 0 }).end();
    }
  });
}

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (url.pathname === "/api/livekit/participants/stream") return stream(request, response, url);
  if (url.pathname === "/api/livekit/webhook" && request.method === "POST") return webhook(request, response);
  return response.writeHead(404).end();
});
// Browsers stay for hours, and LiveKit keeps its connections.
server.requestTimeout = 0;
server.keepAliveTimeout = 75_000;
server.listen(Number(PORT), "127.0.0.1", 4096);
