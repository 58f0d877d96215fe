-- Keeps a bucket's events logged. KEYS: the key that is there while they are, the bucket's outbox. ARGV: for how many seconds.
-- Returns whether they were logged, and how many items wait in the outbox.

local was_on = redis.call('EXISTS', KEYS[1])
redis.call('SET', KEYS[1], 1, 'EX', ARGV[1])
return { was_on, redis.call('XLEN', KEYS[2]) }
