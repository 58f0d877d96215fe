-- Reads the room, and what is remembered of the sessions that are asked for, after the time.

load()
tell_of_rebuilding()
if room.version == 0 then return { { int(now) } } end

local remembered = {}
for _ = 1, number() do
  local sid = argument()
  local left = gone_of(sid)
  if left then
    local count = #remembered
    remembered[count + 1], remembered[count + 2], remembered[count + 3] = sid, int(left.at), left.reason
  end
end
return {
  { int(now) },
  {
    int(room.version), room.sid, int(room.epoch), room.whole and '1' or '0',
    room.torn and '1' or '0', room.opening, int(room.trusted),
    int(room.compared), optional(room.started), optional(room.started_at), optional(room.condemned),
  },
  redis.call('HGETALL', PARTICIPANTS),
  redis.call('HGETALL', TRACKS),
  remembered,
}
