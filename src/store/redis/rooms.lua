-- The rooms of some buckets that are to be listed. KEYS: their indexes. ARGV: 1 the time in microseconds or ''.

local now
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now = string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2]))
else
  now = ARGV[1]
end

local rooms = {}
for _, index in ipairs(KEYS) do
  local base = string.sub(index, 1, -#'rooms' - 1)
  -- What is of another type is not ours, and shows an error where nobody can mistake it.
  local names = redis.pcall('ZRANGEBYSCORE', index, now, '+inf')
  for _, name in ipairs(names.err and {} or names) do
    local meta = redis.pcall('HMGET', base .. name .. ':meta', 'visible', 'whole', 'trusted')
    if meta[1] then
      local count = #rooms
      rooms[count + 1], rooms[count + 2], rooms[count + 3] = name, meta[1], meta[2] == '1' and meta[3] or '0'
    end
  end
end
return rooms
