-- Writes rows of a room, unless somebody has written since they were read. KEYS: the room, its bucket's index, its channel. ARGV:
-- 1 the revision that was read; 2 the room's name; 3 its entry in the index, or ''; 4 for how many seconds all of it is kept from
-- now, or ''; 5 the command that publishes; 6 the message, or ''; 7 who writes; 8 if the writer may not write now, for how many
-- microseconds the room waits for it, or 0; 9 the number of fields that must not exist; 10 the number of fields to delete; then
-- these fields; then the fields to set, each with its value. Returns the time in microseconds if it wrote; otherwise the time and
-- the current values of the fields to set and delete.

local room, index, name, entry, writer = KEYS[1], KEYS[2], ARGV[2], ARGV[3], ARGV[7]
local first_deleted = 11 + ARGV[9]
local first_set = first_deleted + ARGV[10]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- A writer that lost too often has the room wait for it: 'w' says for whom, and until when.
local revision, waits = unpack(redis.call('HMGET', room, 'r', 'w'))
local is_awaited = true
if waits then
  local awaited, deadline = string.match(waits, '^(%S+) (%d+)$')
  is_awaited = not awaited or awaited == writer or tonumber(deadline) < now
end
local may_write = is_awaited and (revision or '') == ARGV[1]
for at = 11, first_deleted - 1 do
  may_write = may_write and redis.call('HEXISTS', room, ARGV[at]) == 0
end
if not may_write then
  if revision and is_awaited and ARGV[8] ~= '0' then
    redis.call('HSET', room, 'w', string.format('%s %.0f', writer, now + ARGV[8]))
  end
  local rows = {}
  local function tell(field) rows[#rows + 1] = { field, redis.call('HGET', room, field) } end
  for at = first_set, #ARGV, 2 do tell(ARGV[at]) end
  for at = first_deleted, first_set - 1 do tell(ARGV[at]) end
  return { now, rows }
end

-- An index of another type fails here, before anything is written. A full Redis refuses the first command only if it can grow
-- something, and lets a script that has written end.
if entry == '' then redis.call('HEXISTS', index, name) else redis.call('HSET', index, name, entry) end
for at = first_set, #ARGV, 1000 do redis.call('HSET', room, unpack(ARGV, at, math.min(at + 999, #ARGV))) end
for at = first_deleted, first_set - 1, 1000 do
  redis.call('HDEL', room, unpack(ARGV, at, math.min(at + 999, first_set - 1)))
end
if waits then redis.call('HDEL', room, 'w') end
if entry == '' then redis.call('HDEL', index, name) end
if ARGV[4] ~= '' then
  redis.call('EXPIRE', room, ARGV[4])
  redis.call('EXPIRE', index, ARGV[4])
end
if ARGV[6] ~= '' then redis.call(ARGV[5], KEYS[3], ARGV[6]) end
return now
