import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { readRoom } from "../src/index.js";
import { Service } from "./service.js";

const url = "https://presence.example.com/";
const general = {
  name: "general",
  numParticipants: 1,
  exact: true,
  people: 1,
  agents: 0,
  publishers: 0,
  startedAt: 1_000,
  active: true,
  sid: "RM_general",
  metadata: "{}",
  version: 7,
};
let service: Service;

beforeEach(() => {
  vi.useFakeTimers();
  service = new Service();
  service.body = general;
  service.refusedRoom = "another";
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function read(room: string, token?: () => string) {
  const settled = readRoom({ url, room, token }).then(
    (room) => room,
    (error: unknown) => error,
  );
  await vi.advanceTimersByTimeAsync(100);
  return settled;
}

it("reads one room, and shows the token", async () => {
  expect(await read("a/b c", () => "token")).toEqual(general);
  const [request] = service.requests;
  expect(request!.path).toBe("/api/livekit/rooms/a%2Fb%20c");
  expect(request!.headers).toMatchObject({ Authorization: "Bearer token" });
});

it("says why the service refuses", async () => {
  service.refusal = { status: 403, detail: "this token does not open this room" };
  expect(await read("general")).toMatchObject({ status: 403, message: "this token does not open this room" });
});

it("never asks for a room whose name is a way to another path", async () => {
  for (const room of ["", ".", ".."]) expect(await read(room)).toMatchObject({ status: 400 });
  expect(service.requests).toEqual([]);
});
