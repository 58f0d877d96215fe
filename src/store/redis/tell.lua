-- Adds lines to what an instance tells of itself. KEYS: a hash of when each instance last told something, and the instance's list of
-- lines, the oldest first. ARGV: the instance, what to put into the hash of it, the time of that in milliseconds, the number of lines
-- to keep, how many milliseconds they are kept after the last of them, and the lines. A value of the hash ends with its time, and a
-- line begins with its own after a bracket. Who got no answer tells the same lines again: only those are added that are newer than what
-- the instance told last.

local at, fresh = tonumber(ARGV[3]), tonumber(ARGV[5])
local last = tonumber(string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '%d+$')) or 0
for index = 6, #ARGV do
  if (tonumber(string.match(ARGV[index], '^%[(%d+)')) or at) > last then
    redis.call('RPUSH', KEYS[2], ARGV[index])
  end
end
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[4]), -1)
redis.call('PEXPIRE', KEYS[2], fresh)
if at > last then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], fresh)
-- The others' lists end by themselves.
local told = redis.call('HGETALL', KEYS[1])
for index = 1, #told, 2 do
  if (tonumber(string.match(told[index + 1], '%d+$')) or 0) + fresh < at then
    redis.call('HDEL', KEYS[1], told[index])
  end
end
return 1
