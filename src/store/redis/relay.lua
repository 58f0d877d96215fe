-- Moves items from a bucket's outbox into the log of events, each once, and publishes them. KEYS: the log; a hash with its newest
-- position and the last item of each bucket; the channel; and where one event is logged without an outbox, the key that is there
-- while events are logged, and the event's own. ARGV: 1 the command that publishes; 2 how many entries are kept; 3 for how many
-- milliseconds; 4 the bucket, or ''; then for each item its id, the number of its entries, and these. An empty entry stands for a
-- gap. Returns the newest position.

local log, state, single, seen = KEYS[1], KEYS[2], KEYS[4], KEYS[5]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local newest, relayed = unpack(redis.call('HMGET', state, 'newest', ARGV[4]))
if single and (redis.call('EXISTS', single) == 0 or redis.call('EXISTS', seen) == 1) then return newest or '' end

local function numbers(id)
  local millis, sequence = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(millis), tonumber(sequence)
end
local function is_later(id, other)
  local millis, sequence = numbers(id)
  local other_millis, other_sequence = numbers(other)
  return millis > other_millis or millis == other_millis and sequence > other_sequence
end

if not newest then
  redis.call('DEL', log)
  newest = string.format('%.0f-0', now)
end
local prev, items, bytes = newest, {}, 0
local at = 5
while at <= #ARGV do
  local id, count = ARGV[at], tonumber(ARGV[at + 1])
  if ARGV[4] == '' or not relayed or is_later(id, relayed) then
    for index = at + 2, at + 1 + count do
      local millis, sequence = numbers(newest)
      local position = now > millis and string.format('%.0f-0', now) or string.format('%.0f-%.0f', millis, sequence + 1)
      redis.call('XADD', log, 'MAXLEN', ARGV[2], position, 'p', newest, 'e', ARGV[index])
      newest = position
      local entry = ARGV[index] == '' and 'null' or ARGV[index]
      items[#items + 1] = '["' .. position .. '",' .. entry .. ']'
      bytes = bytes + #entry
    end
    relayed = id
  end
  at = at + 2 + count
end

redis.call('HSET', state, 'newest', newest)
if ARGV[4] ~= '' and relayed then redis.call('HSET', state, ARGV[4], relayed) end
redis.call('EXPIRE', state, 86400)
if #items > 0 then
  redis.call('XTRIM', log, 'MINID', string.format('%.0f', now - ARGV[3]))
  redis.call('PEXPIRE', log, ARGV[3] + 60000)
  if seen then redis.call('SET', seen, 1, 'EX', 600) end
  -- What is too big for a message is read from the log.
  local message = '{"prev":"' .. newest .. '","items":[]}'
  if bytes <= 262144 then message = '{"prev":"' .. prev .. '","items":[' .. table.concat(items, ',') .. ']}' end
  redis.call(ARGV[1], KEYS[3], message)
end
return newest
