-- Moves items from a bucket's outbox into the log of events, each once, and publishes them. KEYS: the log; a hash with its newest
-- position and the last item of each bucket; the channel; and where one event is logged without an outbox, the key that is there
-- while events are logged, and the event's own. ARGV: 1 the command that publishes; 2 how many entries are kept; 3 for how many
-- milliseconds; 4 about how many bytes; 5 for how many seconds the id of an event without an outbox is known; 6 the bucket, or '';
-- then for each item its id, the number of its entries, and these. An empty entry stands for a gap. Returns the newest position.

local log, state, single, seen = KEYS[1], KEYS[2], KEYS[4], KEYS[5]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local bucket, max_bytes = ARGV[6], tonumber(ARGV[4])
local newest, relayed, written = unpack(redis.call('HMGET', state, 'newest', bucket, 'bytes'))
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

-- Deletes the oldest entries, as many as were written before this number of bytes was. Looked at once in a megabyte.
local function trim(excess)
  local start = '-'
  while excess > 0 do
    local entries = redis.call('XRANGE', log, start, '+', 'COUNT', 8)
    for _, entry in ipairs(entries) do
      if tonumber(entry[2][6]) > excess then
        redis.call('XTRIM', log, 'MINID', entry[1])
        return
      end
      start = '(' .. entry[1]
    end
    if #entries == 0 then return end
  end
end

if not newest then
  redis.call('DEL', log)
  written = false
  newest = string.format('%.0f-0', now)
end
-- Of all that was ever written. An entry says how much it was with it, so that the log's size is known.
written = tonumber(written) or 0
local prev, items, bytes = newest, {}, 0
local at = 7
while at <= #ARGV do
  local id, count = ARGV[at], tonumber(ARGV[at + 1])
  if bucket == '' or not relayed or is_later(id, relayed) then
    for index = at + 2, at + 1 + count do
      local millis, sequence = numbers(newest)
      local position = now > millis and string.format('%.0f-0', now) or string.format('%.0f-%.0f', millis, sequence + 1)
      redis.call('XADD', log, 'MAXLEN', ARGV[2], position, 'p', newest, 'e', ARGV[index], 'b',
        string.format('%.0f', written + bytes + #ARGV[index]))
      newest = position
      local entry = ARGV[index] == '' and 'null' or ARGV[index]
      items[#items + 1] = '["' .. position .. '",' .. entry .. ']'
      bytes = bytes + #ARGV[index]
    end
    relayed = id
  end
  at = at + 2 + count
end

redis.call('HSET', state, 'newest', newest, 'bytes', string.format('%.0f', written + bytes))
if bucket ~= '' and relayed then redis.call('HSET', state, bucket, relayed) end
redis.call('EXPIRE', state, 86400)
if #items > 0 then
  redis.call('XTRIM', log, 'MINID', string.format('%.0f', now - ARGV[3]))
  if math.floor(written / 1048576) < math.floor((written + bytes) / 1048576) then trim(written + bytes - max_bytes) end
  redis.call('PEXPIRE', log, ARGV[3] + 60000)
  if seen then redis.call('SET', seen, 1, 'EX', ARGV[5]) end
  -- What is too big for a message is read from the log.
  local message = '{"prev":"' .. newest .. '","items":[]}'
  if bytes <= 262144 then message = '{"prev":"' .. prev .. '","items":[' .. table.concat(items, ',') .. ']}' end
  redis.call(ARGV[1], KEYS[3], message)
end
return newest
