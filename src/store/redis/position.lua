-- How far the room is.

load()
tell_of_rebuilding()
if room.version == 0 then return {} end
return { int(room.version), int(confirmed_until()), int(room.compared) }
