-- Keeps a bucket's events logged. KEYS: the key that is there while they are, the bucket's outbox. ARGV: for how many seconds; what
-- stands for the caller's turn; whether the caller has told the followers that events may be missing. The key is 1 if events were
-- logged ever since the followers were told so; until then it stands for the turn that has yet to tell them.
-- Returns whether it is 1, and how many items wait in the outbox.

local held = redis.call('GET', KEYS[1])
if ARGV[3] == '1' and held == ARGV[2] then held = '1' end
if held ~= '1' and ARGV[3] == '0' then held = ARGV[2] end
if not held then return { 0, 0 } end
redis.call('SET', KEYS[1], held, 'EX', ARGV[1])
return { held == '1' and 1 or 0, redis.call('XLEN', KEYS[2]) }
