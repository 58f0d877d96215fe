"""Real LiveKit clients, told what to do by a test.

Reads one JSON command a line, `{"id": 1, "do": "join", "client": 7, …}`, and answers each with `{"id": 1, "ok": {…}}` or
`{"id": 1, "error": "…"}`. Commands run concurrently. A client is a connection to a room; the test chooses its number. The
process ends with its input; a test kills it to make its clients die.
"""

import asyncio
import json
import sys
import time

from livekit import rtc

SCENARIOS = {
    "resume": rtc.SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT,
    "failed-resume": rtc.SimulateScenarioKind.SIMULATE_DISCONNECT_SIGNAL_ON_RESUME,
    "full-reconnect": rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT,
    "node-failure": rtc.SimulateScenarioKind.SIMULATE_NODE_FAILURE,
    "migration": rtc.SimulateScenarioKind.SIMULATE_MIGRATION,
    "server-leave": rtc.SimulateScenarioKind.SIMULATE_SERVER_LEAVE,
}

SOURCES = {
    "MICROPHONE": rtc.TrackSource.SOURCE_MICROPHONE,
    "CAMERA": rtc.TrackSource.SOURCE_CAMERA,
    "SCREEN_SHARE": rtc.TrackSource.SOURCE_SCREENSHARE,
}


class Client:
    def __init__(self):
        self.room = rtc.Room()
        self.state = "connecting"
        self.reason = None
        self.reconnects = 0
        # A source is kept with what feeds it: LiveKit calls a track published when its first packet comes.
        self.feeds = {}
        self.data_tracks = []
        self.room.on("reconnecting", self.on_reconnecting)
        self.room.on("reconnected", self.on_reconnected)
        self.room.on("disconnected", self.on_disconnected)

    def on_reconnecting(self):
        self.state = "reconnecting"

    def on_reconnected(self):
        self.state = "connected"
        self.reconnects += 1

    def on_disconnected(self, reason):
        self.state = "disconnected"
        self.reason = rtc.DisconnectReason.Name(reason)

    async def join(self, url, token):
        called_at = time.time()
        await self.room.connect(url, token, rtc.RoomOptions(auto_subscribe=False))
        returned_at = time.time()
        self.state = "connected"
        return {"called_at": called_at, "returned_at": returned_at, **self.describe()}

    async def leave(self):
        called_at = time.time()
        await self.room.disconnect()
        returned_at = time.time()
        self.state = "disconnected"
        for feed in self.feeds.values():
            feed.cancel()
        return {"called_at": called_at, "returned_at": returned_at}

    async def publish(self, source):
        called_at = time.time()
        name = source.lower()
        if source == "MICROPHONE":
            track_source = rtc.AudioSource(48_000, 1)
            track = rtc.LocalAudioTrack.create_audio_track(name, track_source)
            feed = feed_audio(track_source)
        else:
            track_source = rtc.VideoSource(64, 48)
            track = rtc.LocalVideoTrack.create_video_track(name, track_source)
            feed = feed_video(track_source)
        options = rtc.TrackPublishOptions(source=SOURCES[source], simulcast=False)
        feed = asyncio.create_task(feed)
        publication = await self.room.local_participant.publish_track(track, options)
        self.feeds[track] = feed
        return {"called_at": called_at, "track": publication.sid}

    async def unpublish(self, track):
        publication = self.publication(track)
        feed = self.feeds.pop(publication.track)
        called_at = time.time()
        await self.room.local_participant.unpublish_track(track)
        feed.cancel()
        return {"called_at": called_at}

    async def publish_data(self, name):
        called_at = time.time()
        # It is unpublished with the object that the SDK returns.
        self.data_tracks.append(await self.room.local_participant.publish_data_track(name=name))
        return {"called_at": called_at}

    async def mute(self, track, muted):
        called_at = time.time()
        local = self.publication(track).track
        local.mute() if muted else local.unmute()
        return {"called_at": called_at}

    async def update(self, name=None, metadata=None, attributes=None):
        called_at = time.time()
        participant = self.room.local_participant
        if name is not None:
            await participant.set_name(name)
        if metadata is not None:
            await participant.set_metadata(metadata)
        if attributes is not None:
            await participant.set_attributes(attributes)
        return {"called_at": called_at}

    async def simulate(self, scenario):
        called_at = time.time()
        await self.room.simulate_scenario(SCENARIOS[scenario])
        return {"called_at": called_at}

    def publication(self, track):
        return self.room.local_participant.track_publications[track]

    def describe(self):
        """What this client knows of itself: the truth that subscribers are compared with."""
        described = {"state": self.state, "reason": self.reason, "reconnects": self.reconnects}
        if self.room._local_participant is None:
            return described
        me = self.room.local_participant
        tracks = [
            {"sid": one.sid, "source": source_name(one.source), "muted": one.muted, "name": one.name}
            for one in me.track_publications.values()
        ]
        return described | {
            "sid": me.sid,
            "identity": me.identity,
            "name": me.name,
            "metadata": me.metadata,
            "attributes": me.attributes,
            "hidden": me.permissions.hidden,
            "tracks": tracks,
        }


def source_name(source):
    return next((name for name, value in SOURCES.items() if value == source), "UNKNOWN")


async def feed_audio(source):
    silence = rtc.AudioFrame.create(48_000, 1, 4_800)
    while True:
        await source.capture_frame(silence)
        await asyncio.sleep(0.1)


async def feed_video(source):
    grey = rtc.VideoFrame(64, 48, rtc.VideoBufferType.I420, bytes(64 * 48 * 3 // 2))
    while True:
        source.capture_frame(grey)
        await asyncio.sleep(0.2)


clients = {}


async def obey(command):
    do, key = command["do"], command.get("client")
    arguments = command.get("with", {})
    if do == "join":
        clients[key] = Client()
    client = clients[key]
    if do not in ("join", "state", "leave") and client.state != "connected":
        # The SDK would never say what came of it.
        raise RuntimeError(f"{client.state}, so it cannot {do}")
    match do:
        case "join":
            return await client.join(**arguments)
        case "state":
            return client.describe()
        case "leave":
            return await client.leave()
        case "publish":
            return await client.publish(**arguments)
        case "publish-data":
            return await client.publish_data(**arguments)
        case "unpublish":
            return await client.unpublish(**arguments)
        case "mute":
            return await client.mute(**arguments)
        case "update":
            return await client.update(**arguments)
        case "simulate":
            return await client.simulate(**arguments)
    raise ValueError(f"unknown command {do}")


async def answer(command):
    try:
        answered = {"id": command["id"], "ok": await obey(command)}
    except Exception as error:
        message = getattr(error, "message", None) or str(error)
        answered = {"id": command["id"], "error": f"{type(error).__name__}: {message}"}
    print(json.dumps(answered), flush=True)


async def main():
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print(json.dumps({"ready": True}), flush=True)
    under_way = set()
    while line := await lines.readline():
        task = asyncio.create_task(answer(json.loads(line)))
        under_way.add(task)
        task.add_done_callback(under_way.discard)


asyncio.run(main())
