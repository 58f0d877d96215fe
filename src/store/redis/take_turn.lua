-- Takes a turn in a sliding window, unless all that it allows are taken. KEYS: a list of when turns were taken, the oldest first, in
-- microseconds. ARGV: how many the window allows, and its length in microseconds. Returns whether the turn was taken (1 or 0), how
-- many are left, and the microseconds after which one more is free.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local max, length = tonumber(ARGV[1]), tonumber(ARGV[2])
local taken = redis.call('LRANGE', KEYS[1], 0, -1)
local over = 0
while taken[over + 1] and tonumber(taken[over + 1]) <= now - length do
  over = over + 1
end
if over > 0 then
  redis.call('LTRIM', KEYS[1], over, -1)
end
local count = #taken - over
-- A server whose clock was ahead may have written it: then it counts from now on.
local function frees_in(index)
  return math.min(tonumber(taken[index]) or now, now) + length - now
end
if count >= max then
  return {0, 0, frees_in(#taken - max + 1)}
end
redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(length / 1000))
return {1, max - count - 1, frees_in(over + 1)}
