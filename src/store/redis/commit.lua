-- Writes rows of a room, unless somebody has written since they were read. KEYS: the room, its bucket's index, its channel, the
-- key that is there while the bucket's events are logged, their outbox, and the outbox of the bucket's history if the step has an
-- item for it. ARGV:
-- 1 the revision that was read; 2 the room's name; 3 its entry in the index, or ''; 4 for how many seconds all of it is kept from
-- now, or ''; 5 the command that publishes; 6 the message, or ''; 7 who writes; 8 if the writer may not write now, for how many
-- microseconds the room waits for it, or 0; 9 the number of fields that must not exist; 10 the number of fields to delete; 11 the
-- number of entries for the log of events, or -1 if there are some that the writer has not made; 12 how many items the outbox of
-- the history holds at most, or '' if there is none for it; then for how many seconds that outbox is kept, and this item; then the
-- entries; then these fields; then the fields to set, each with its value.
-- Returns the time in microseconds if it wrote. If it wrote entries too: the time, the id in their outbox, and how many items are
-- in it. If Redis refused only these: the time and the reason. If it wrote an item of the history: what it returns otherwise, the
-- item's id, how many are in its outbox, and how many it dropped. If it did not write: the time, the current values of the fields
-- to set and delete, and 1 if the entries have to be made.

local room, index, name, entry, writer = KEYS[1], KEYS[2], ARGV[2], ARGV[3], ARGV[7]
local logged = tonumber(ARGV[11])
local max_items = tonumber(ARGV[12])
local first_entry = max_items and 15 or 13
local first_absent = first_entry + math.max(logged, 0)
local first_deleted = first_absent + ARGV[9]
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
for at = first_absent, first_deleted - 1 do
  may_write = may_write and redis.call('HEXISTS', room, ARGV[at]) == 0
end
local is_wanted = may_write and logged < 0 and redis.call('EXISTS', KEYS[4]) == 1
if not may_write or is_wanted then
  if not may_write and revision and is_awaited and ARGV[8] ~= '0' then
    redis.call('HSET', room, 'w', string.format('%s %.0f', writer, now + ARGV[8]))
  end
  local rows = {}
  local function tell(field) rows[#rows + 1] = { field, redis.call('HGET', room, field) } end
  for at = first_set, #ARGV, 2 do tell(ARGV[at]) end
  for at = first_deleted, first_set - 1 do tell(ARGV[at]) end
  return { now, rows, is_wanted and 1 or 0 }
end

-- The item of the history goes first, so that nothing is written if Redis refuses it. No id comes twice, also where the outbox was
-- empty and gone: it begins with the time. Those that follow it differ from it, and from each other, by one. So an id tells when
-- the outbox began. Most are empty again a moment later; only one that is not is kept for longer with each item.
local item_id, item_count, dropped = nil, 0, 0
if max_items then
  local outbox = KEYS[6]
  redis.call('HEXISTS', index, name)
  item_count = redis.call('XLEN', outbox) + 1
  if item_count == 1 then item_id = redis.pcall('XADD', outbox, string.format('%.0f-0', now), 'h', ARGV[14]) end
  if type(item_id) ~= 'string' then item_id = redis.call('XADD', outbox, '*', 'h', ARGV[14]) end
  if item_count > max_items then
    dropped = redis.call('XTRIM', outbox, 'MAXLEN', max_items)
    item_count = item_count - dropped
  end
  local age = now - string.match(item_id, '^%d+')
  if item_count == 1 or math.abs(age) > 60000000 then redis.call('EXPIRE', outbox, ARGV[13]) end
end

-- The entries come next, so that nothing is written if Redis is full. Where it refuses them for another reason, rooms matter more:
-- the bucket's events are no longer logged. Whoever tends the log finds that, and puts a gap into it.
local answer = now
if logged > 0 and redis.call('EXISTS', KEYS[4]) == 1 then
  redis.call('HEXISTS', index, name)
  local at = first_entry
  while at < first_absent do
    local item, bytes = {}, 0
    repeat
      item[#item + 1] = 'e'
      item[#item + 1] = ARGV[at]
      bytes = bytes + #ARGV[at]
      at = at + 1
    until at == first_absent or #item == 1000 or bytes >= 1048576
    local id = redis.pcall('XADD', KEYS[5], '*', unpack(item))
    if type(id) == 'table' and id.err then
      if string.find(id.err, 'OOM', 1, true) then return id end
      redis.call('DEL', KEYS[4])
      answer = { now, id.err }
      break
    end
    local count = redis.call('XLEN', KEYS[5])
    if count == 1 then redis.call('EXPIRE', KEYS[5], 86400) end
    answer = { now, id, count }
  end
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
if item_id then return { answer, item_id, item_count, dropped } end
return answer
