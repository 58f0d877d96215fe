-- Somebody saw a later version than this Redis has: it lost its last writes. The room goes on from there, and is partial.

local held = number()
load()
if room.version < held then
  room.version = next_version(math.max(room.version, held))
  room.whole, room.torn = false, true
  room.epoch = room.epoch + 1
  save()
  publish('')
end
return int(room.version)
