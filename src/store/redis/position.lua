-- How far the room is, after the time.

load()
tell_of_rebuilding()
if room.version == 0 then return { int(now) } end
return { int(now), int(room.version), int(confirmed_until()), int(room.compared) }
