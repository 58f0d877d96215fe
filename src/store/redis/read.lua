-- Reads entries of a stream, up to a number of them and about a number of bytes, and at least one. KEYS: the stream. ARGV: where to
-- start; how many; how many bytes. Returns the entries, and 1 if there are none after them.

local start, left, bytes = ARGV[1], tonumber(ARGV[2]), 0
local found = {}
while left > 0 and bytes < tonumber(ARGV[3]) do
  -- An entry can be large, so few are taken at a time.
  local some = math.min(left, 8)
  local entries = redis.call('XRANGE', KEYS[1], start, '+', 'COUNT', some)
  for _, entry in ipairs(entries) do
    for _, field in ipairs(entry[2]) do bytes = bytes + #field end
    found[#found + 1] = entry
    start = '(' .. entry[1]
  end
  if #entries < some then return { found, 1 } end
  left = left - some
end
return { found, 0 }
