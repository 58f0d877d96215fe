-- Takes items that the history has off the outbox of a bucket. KEYS: the outbox. ARGV: their ids. Returns how many are left.

for at = 1, #ARGV, 1000 do redis.call('XDEL', KEYS[1], unpack(ARGV, at, math.min(at + 999, #ARGV))) end
local left = redis.call('XLEN', KEYS[1])
-- A stream stays when it is empty.
if left == 0 then redis.call('DEL', KEYS[1]) end
return left
