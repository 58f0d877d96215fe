-- Gives a lease back, if its holder still has it. KEYS: the lease. ARGV: the holder's token.

if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
