-- Takes one call from each of the given token buckets, or from none. Returns 0 if it was taken, otherwise the microseconds after
-- which to ask again. KEYS: a hash of when each bucket will be full. ARGV: for each bucket its name and, in microseconds, the
-- cost of a call, the size of the bucket, and the part that this call must leave to others.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local wait = 0
local full_at = {}
for index = 1, #ARGV, 4 do
  local cost, burst, reserve = tonumber(ARGV[index + 1]), tonumber(ARGV[index + 2]), tonumber(ARGV[index + 3])
  -- A server whose clock was ahead may have written it.
  local full = math.min(tonumber(redis.call('HGET', KEYS[1], ARGV[index])) or 0, now + burst)
  full = math.max(full, now) + cost
  wait = math.max(wait, full - (burst - reserve) - now)
  full_at[#full_at + 1] = ARGV[index]
  full_at[#full_at + 1] = string.format('%.0f', full)
end
if wait == 0 then
  redis.call('HSET', KEYS[1], unpack(full_at))
  redis.call('EXPIRE', KEYS[1], 600)
end
return wait
