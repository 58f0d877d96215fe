-- A room as Redis keeps it: read as far as a step needs it, changed here, written at the end.
--
-- The rules are those of src/presence, which says why; a test plays the same schedules to both. Nothing here parses or builds
-- JSON (cjson makes {} of []): what LiveKit says about a session or a track goes through as it is.
--
-- KEYS: meta, participants, tracks, identities, gone, reasons, waiting, seen, index, channel.
-- ARGV: 1 the room's name, 2 the time in microseconds or '' for this server's, 3 for how long a sign is trusted,
--       4 the command that publishes, 5 this step's arguments, each with its length before it.

local META, PARTICIPANTS, TRACKS, IDENTITIES = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local GONE, REASONS, WAITING, SEEN, INDEX, CHANNEL = KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local ROOM, TRUST, PUBLISH = ARGV[1], tonumber(ARGV[3]), ARGV[4]

-- A bigger change is not sent: whoever follows the room reads it again.
local LARGEST_MESSAGE = 256 * 1024
-- So many remembered sessions are forgotten in one step.
local FORGOTTEN_AT_ONCE = 100

-- Tostring would write 1.79e+15.
local function int(number)
  return string.format('%.0f', number)
end

-- Netstrings without their commas: lengths in bytes, so that values may hold anything.
local function pack(...)
  local packed = {}
  for index = 1, select('#', ...) do
    local value = tostring((select(index, ...)))
    packed[index] = #value .. ':' .. value
  end
  return table.concat(packed)
end

local function pack_list(values)
  local packed = {}
  for index, value in ipairs(values) do
    packed[index] = #value .. ':' .. value
  end
  return table.concat(packed)
end

local function unpack_list(packed)
  local values, count, at = {}, 0, 1
  while at <= #packed do
    local colon = string.find(packed, ':', at, true)
    local last = colon + tonumber(string.sub(packed, at, colon - 1))
    count = count + 1
    values[count] = string.sub(packed, colon + 1, last)
    at = last + 1
  end
  return values, count
end

-- In order of bytes; `<` would ask the server's locale.
local function less(a, b)
  for index = 1, math.min(#a, #b) do
    local x, y = string.byte(a, index), string.byte(b, index)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local arguments = unpack_list(ARGV[5])
local next_argument = 0
local function argument()
  next_argument = next_argument + 1
  return arguments[next_argument]
end
local function number()
  return tonumber(argument())
end

local now
if ARGV[2] == '' then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
else
  now = tonumber(ARGV[2])
end

-- The room's own fields, and what was read of the rest. In `sessions`, `identities`, `tracks` and `gone`, false stands for what
-- is not there; `dirty_…` has what must be written.
local room
local sessions, dirty_sessions = {}, {}
local identities, dirty_identities = {}, {}
local tracks, dirty_tracks = {}, {}
local gone, dirty_gone = {}, {}
local dirty_waiting = {}
local before = {}
local is_rebuilt = false

local META_FIELDS = {
  'version', 'sid', 'epoch', 'whole', 'torn', 'opening', 'trusted', 'compared', 'started', 'started_at', 'condemned', 'visible',
  'sessions', 'identities', 'tracks', 'inside', 'undecided',
}

-- What a session adds to the counts of its room, as it was when they were made; nothing for one that is kept as missing.
local counted = {}

local function count_of(one)
  if not one or one.standing == 'M' then return nil end
  local is_undecided = one.standing == 'S' or one.standing == 'P' and one.missing_since ~= nil
  return { opening_sid = one.opening_sid, joined_at = one.joined_at, is_undecided = is_undecided }
end

local function decode_session(sid, packed)
  local value = unpack_list(packed)
  local one = {
    sid = sid,
    identity = value[1],
    joined_at = tonumber(value[2]),
    version = tonumber(value[3]),
    visible = value[4] == '1',
    profile = value[5],
    opening = value[6],
    opening_sid = value[7],
    recorded_at = tonumber(value[8]),
    heard_at = tonumber(value[9]),
    standing = value[10],
    alive_at = tonumber(value[11]),
    listed_version = tonumber(value[12]),
    listed_at = tonumber(value[13]),
    missing_since = tonumber(value[14]),
    failures = tonumber(value[15]),
    failed_at = tonumber(value[16]),
    witnessed = value[17] == '1',
  }
  counted[sid] = count_of(one)
  return one
end

local function optional(number_or_nil)
  return number_or_nil and int(number_or_nil) or ''
end

local function encode_session(one)
  return pack(
    one.identity, int(one.joined_at), int(one.version), one.visible and 1 or 0, one.profile, one.opening, one.opening_sid,
    int(one.recorded_at), optional(one.heard_at), one.standing, int(one.alive_at), optional(one.listed_version),
    optional(one.listed_at), optional(one.missing_since), int(one.failures), int(one.failed_at), one.witnessed and 1 or 0
  )
end

local function session(sid)
  if sessions[sid] == nil then
    local packed = redis.call('HGET', PARTICIPANTS, sid)
    sessions[sid] = packed and decode_session(sid, packed)
  end
  return sessions[sid]
end

local function all_sessions()
  local all = redis.call('HGETALL', PARTICIPANTS)
  for index = 1, #all, 2 do
    local sid = all[index]
    if sessions[sid] == nil then sessions[sid] = decode_session(sid, all[index + 1]) end
  end
  local held = {}
  for _, one in pairs(sessions) do
    if one then held[#held + 1] = one end
  end
  return held
end

local function sids_of(identity)
  if identities[identity] == nil then
    local packed = redis.call('HGET', IDENTITIES, identity)
    identities[identity] = packed and unpack_list(packed) or {}
  end
  return identities[identity]
end

-- A session's tracks, or what waits for a session that is not known yet: published ones by their ids, removed ones in a list.
local function tracks_of(sid)
  if tracks[sid] == nil then
    local packed = redis.call('HGET', TRACKS, sid)
    if not packed then
      tracks[sid] = false
      return false
    end
    local held = { published = {}, removed = {} }
    local values, count = unpack_list(packed)
    for index = 1, count, 4 do
      if values[index] == 'P' then
        held.published[values[index + 1]] = { heard_at = tonumber(values[index + 2]), json = values[index + 3] }
      else
        held.removed[#held.removed + 1] = { sid = values[index + 1], at = tonumber(values[index + 2]) }
      end
    end
    tracks[sid] = held
  end
  return tracks[sid]
end

local function published_in_order(held)
  local sids = {}
  for sid in pairs(held.published) do sids[#sids + 1] = sid end
  table.sort(sids, less)
  return sids
end

local function encode_tracks(held)
  local values = {}
  local function add(kind, sid, at, json)
    local count = #values
    values[count + 1], values[count + 2], values[count + 3], values[count + 4] = kind, sid, at, json
  end
  for _, sid in ipairs(published_in_order(held)) do
    local track = held.published[sid]
    add('P', sid, optional(track.heard_at), track.json)
  end
  for _, track in ipairs(held.removed) do add('R', track.sid, int(track.at), '') end
  return pack_list(values)
end

local function tracks_to_change(sid)
  dirty_tracks[sid] = true
  local held = tracks_of(sid)
  if not held then
    held = { published = {}, removed = {} }
    tracks[sid] = held
  end
  return held
end

local function drop_tracks(sid)
  if tracks_of(sid) then
    tracks[sid] = false
    dirty_tracks[sid] = true
  end
end

-- When and why a session left, if that is remembered.
local function gone_of(sid)
  if gone[sid] == nil then
    local at = tonumber(redis.call('ZSCORE', GONE, sid))
    local is_remembered = at and (at >= now - GONE_MEMORY or session(sid))
    gone[sid] = is_remembered and { at = at, reason = redis.call('HGET', REASONS, sid) or 'L' }
  end
  return gone[sid]
end

local function remember_gone(sid, reason)
  gone[sid] = { at = now, reason = reason }
  dirty_gone[sid] = true
end

local function forget_gone(sid)
  if gone_of(sid) then
    gone[sid] = false
    dirty_gone[sid] = true
  end
end

-- A participant as its followers get it.
local function participant(one)
  local jsons = {}
  local held = tracks_of(one.sid)
  if held then
    for index, sid in ipairs(published_in_order(held)) do jsons[index] = held.published[sid].json end
  end
  return pack(one.identity, one.sid, int(one.joined_at), one.profile, pack_list(jsons))
end

-- The session that readers see of an identity.
local function newest_of(identity)
  local newest
  for _, sid in ipairs(sids_of(identity)) do
    local one = session(sid)
    if one and one.standing == 'P' then
      local is_newer = not newest or one.joined_at > newest.joined_at
        or one.joined_at == newest.joined_at and less(newest.sid, sid)
      if is_newer then newest = one end
    end
  end
  return newest and newest.visible and newest
end

local function touch(identity)
  if before[identity] == nil then
    local newest = newest_of(identity)
    before[identity] = newest and { sid = newest.sid, packed = participant(newest) } or false
  end
end

local function insert(one)
  touch(one.identity)
  local sids = sids_of(one.identity)
  sids[#sids + 1] = one.sid
  dirty_identities[one.identity] = true
  sessions[one.sid] = one
  dirty_sessions[one.sid] = true
  room.sessions = room.sessions + 1
end

-- Takes a session out. Its tracks stay.
local function drop_session(one)
  local sid = one.sid
  sessions[sid] = false
  dirty_sessions[sid] = true
  room.sessions = room.sessions - 1
  local left = {}
  for _, other in ipairs(sids_of(one.identity)) do
    if other ~= sid then left[#left + 1] = other end
  end
  identities[one.identity] = left
  dirty_identities[one.identity] = true
end

local function remove(sid, reason)
  local one = session(sid)
  remember_gone(sid, reason)
  if not one then return end
  touch(one.identity)
  if reason == 'M' and one.standing ~= 'C' then
    one.standing, one.missing_since = 'M', now
    dirty_sessions[sid] = true
  else
    drop_session(one)
    drop_tracks(sid)
  end
end

local function supersede_older(info)
  for _, sid in ipairs(sids_of(info.identity)) do
    local other = sid ~= info.sid and session(sid)
    if other and other.joined_at < info.joined_at then remove(sid, 'S') end
  end
end

local function add_to_counts(sid)
  local count = count_of(sessions[sid])
  counted[sid] = count
  if not count then return end
  local group = room.inside[count.opening_sid]
  if group then
    group.count = group.count + 1
    group.oldest = math.min(group.oldest, count.joined_at)
  else
    room.inside[count.opening_sid] = { count = 1, oldest = count.joined_at }
  end
  if count.is_undecided then room.undecided = room.undecided + 1 end
end

local function take_from_counts(sid)
  local count = counted[sid]
  if not count then return end
  local group = room.inside[count.opening_sid]
  if group then group.count = group.count - 1 end
  if group and group.count == 0 then room.inside[count.opening_sid] = nil end
  if count.is_undecided then room.undecided = room.undecided - 1 end
end

-- Brings the counts up to date with what changed.
local function count()
  for sid in pairs(dirty_sessions) do take_from_counts(sid) end
  for sid in pairs(dirty_sessions) do add_to_counts(sid) end
end

-- Counts everybody anew, who must have been read.
local function recount()
  room.inside, room.undecided = {}, 0
  for sid in pairs(sessions) do add_to_counts(sid) end
end

local function is_empty()
  count()
  return next(room.inside) == nil
end

local function encode_inside()
  local values = {}
  for opening_sid, group in pairs(room.inside) do
    local index = #values
    values[index + 1], values[index + 2], values[index + 3] = opening_sid, int(group.count), int(group.oldest)
  end
  return pack_list(values)
end

local function decode_inside(packed)
  local inside = {}
  local values, length = unpack_list(packed)
  for index = 1, length, 3 do
    inside[values[index]] = { count = tonumber(values[index + 1]), oldest = tonumber(values[index + 2]) }
  end
  return inside
end

local function is_held(one)
  return one and one.standing ~= 'M'
end

-- Whether a newer session of the identity is held.
local function is_superseded(sid, identity, joined_at)
  for _, other_sid in ipairs(sids_of(identity)) do
    local other = session(other_sid)
    if other_sid ~= sid and is_held(other) and other.joined_at > joined_at then return true end
  end
  return false
end

-- A session that counted as missing shows life: the list that omitted it was wrong.
local function list_was_wrong()
  room.whole = false
  if room.opening == 'C' then room.opening = 'U' end
end

local function shows_life(one, at)
  one.standing = 'P'
  one.missing_since = nil
  one.alive_at = math.max(one.alive_at, at)
  one.failures = 0
  one.witnessed = false
  dirty_sessions[one.sid] = true
end

local function hears(one)
  one.heard_at = now
  shows_life(one, now)
end

local function next_version(version)
  return math.max(version + 1, now)
end

-- Part of the room is gone, by eviction or by hand. What is left is shown until LiveKit is asked, and whoever follows the room
-- must read it again.
local function rebuild()
  is_rebuilt = true
  room.whole, room.torn = false, true
  room.epoch = room.epoch + 1
  room.version = next_version(room.version)
  room.visible, room.sessions = 0, 0
  for _, one in ipairs(all_sessions()) do
    room.sessions = room.sessions + 1
    local sids = identities[one.identity] or {}
    sids[#sids + 1] = one.sid
    identities[one.identity] = sids
    dirty_identities[one.identity] = true
  end
  for identity in pairs(identities) do
    if newest_of(identity) then room.visible = room.visible + 1 end
  end
  recount()
end

-- Reads the room's own fields, and every key that may be written once, so that one of a wrong type fails before anything is.
local function load()
  local values = redis.call('HMGET', META, unpack(META_FIELDS))
  local meta = {}
  for index, field in ipairs(META_FIELDS) do meta[field] = values[index] or nil end
  room = {
    version = tonumber(meta.version) or 0,
    sid = meta.sid or '',
    epoch = tonumber(meta.epoch) or 0,
    whole = meta.whole == '1',
    torn = meta.torn == '1',
    opening = meta.opening or 'U',
    trusted = tonumber(meta.trusted) or 0,
    compared = tonumber(meta.compared) or 0,
    started = tonumber(meta.started),
    started_at = tonumber(meta.started_at),
    condemned = tonumber(meta.condemned),
    visible = tonumber(meta.visible) or 0,
    sessions = tonumber(meta.sessions) or 0,
    inside = decode_inside(meta.inside or ''),
    undecided = tonumber(meta.undecided) or 0,
  }
  local is_complete = redis.call('HLEN', PARTICIPANTS) == room.sessions
  is_complete = redis.call('HLEN', IDENTITIES) == (tonumber(meta.identities) or 0) and is_complete
  is_complete = redis.call('HLEN', TRACKS) == (tonumber(meta.tracks) or 0) and is_complete
  redis.call('HLEN', REASONS)
  redis.call('ZCARD', SEEN)
  redis.call('ZCARD', INDEX)
  local oldest = '(' .. int(now - GONE_MEMORY)
  for _, sid in ipairs(redis.call('ZRANGEBYSCORE', GONE, '-inf', oldest, 'LIMIT', 0, FORGOTTEN_AT_ONCE)) do
    local held = gone_of(sid)
    if held then held.at = now end
    dirty_gone[sid] = true
  end
  for _, sid in ipairs(redis.call('ZRANGEBYSCORE', WAITING, '-inf', '(' .. int(now - TRACK_MEMORY))) do
    dirty_waiting[sid] = 'forgotten'
    if not session(sid) then drop_tracks(sid) end
  end
  if not is_complete then
    rebuild()
  elseif room.sessions > 0 and not meta.inside then
    -- Written by an earlier version.
    all_sessions()
    recount()
  end
end

-- Until when everybody counts as being in the list; 0 for a partial room.
local function confirmed_until()
  count()
  return room.whole and room.undecided == 0 and room.trusted or 0
end

-- Raises the version if readers see a difference, if nobody can have seen this room before, or if somebody may have seen another
-- one. Returns the change, or nothing.
local function end_step(received_at, is_another)
  local joined, updated, left = {}, {}, {}
  for identity, was in pairs(before) do
    local newest = newest_of(identity)
    if newest then
      local packed = participant(newest)
      if not was then
        joined[#joined + 1] = packed
      elseif was.packed ~= packed then
        updated[#updated + 1] = packed
      end
    elseif was then
      left[#left + 1] = was.sid
      left[#left + 1] = identity
    end
  end
  local is_new = room.version == 0
  local is_same = #joined == 0 and #updated == 0 and #left == 0
  if is_same and not is_new and not is_rebuilt and not is_another then return nil end
  if is_new and not room.whole then room.torn = true end
  room.visible = room.visible + #joined - #left / 2
  local prev = room.version
  room.version = next_version(prev)
  return pack(
    int(prev), int(room.version), int(confirmed_until()), received_at, pack_list(joined), pack_list(updated), pack_list(left)
  )
end

local function write(is_there, key, field, value)
  if is_there then
    redis.call('HSET', key, field, value)
  else
    redis.call('HDEL', key, field)
  end
end

local function expire()
  local seconds = math.ceil(ROOM_MEMORY / 1000000)
  for index = 1, 9 do redis.call('EXPIRE', KEYS[index], seconds) end
end

-- The index has the rooms that are to be listed, by when they are forgotten.
local function list()
  if room.visible > 0 or room.opening == 'O' then
    redis.call('ZADD', INDEX, int(now + ROOM_MEMORY), ROOM)
  else
    redis.call('ZREM', INDEX, ROOM)
  end
end

-- Writes what changed. The first command is one that a full Redis refuses, so that nothing is written then.
local function save(event_id)
  count()
  redis.call(
    'HSET', META, 'version', int(room.version), 'sid', room.sid, 'epoch', int(room.epoch), 'whole', room.whole and 1 or 0,
    'torn', room.torn and 1 or 0, 'opening', room.opening, 'trusted', int(room.trusted), 'compared', int(room.compared), 'started', optional(room.started),
    'started_at', optional(room.started_at), 'condemned', optional(room.condemned), 'visible', int(room.visible),
    'inside', encode_inside(), 'undecided', int(room.undecided)
  )
  for sid in pairs(dirty_sessions) do
    local one = sessions[sid]
    write(one, PARTICIPANTS, sid, one and encode_session(one))
  end
  for sid in pairs(dirty_tracks) do
    local packed = tracks[sid] and encode_tracks(tracks[sid]) or ''
    write(packed ~= '', TRACKS, sid, packed)
  end
  if is_rebuilt then redis.call('DEL', IDENTITIES) end
  for identity in pairs(dirty_identities) do
    local sids = identities[identity]
    write(#sids > 0, IDENTITIES, identity, pack_list(sids))
  end
  for sid in pairs(dirty_gone) do
    local held = gone[sid]
    if held then
      redis.call('ZADD', GONE, int(held.at), sid)
    else
      redis.call('ZREM', GONE, sid)
    end
    write(held, REASONS, sid, held and held.reason)
  end
  for sid, what in pairs(dirty_waiting) do
    if what == 'waits' then
      redis.call('ZADD', WAITING, int(now), sid)
    else
      redis.call('ZREM', WAITING, sid)
    end
  end
  redis.call(
    'HSET', META, 'sessions', redis.call('HLEN', PARTICIPANTS), 'identities', redis.call('HLEN', IDENTITIES),
    'tracks', redis.call('HLEN', TRACKS)
  )
  list()
  redis.call('ZREMRANGEBYSCORE', INDEX, '-inf', '(' .. int(now))
  redis.call('ZREMRANGEBYSCORE', SEEN, '-inf', '(' .. int(now - EVENT_MEMORY))
  if event_id and event_id ~= '' then redis.call('ZADD', SEEN, int(now), event_id) end
  expire()
end

-- Tells whoever follows the room.
local function publish(change)
  if #change > LARGEST_MESSAGE then change = '' end
  redis.call(PUBLISH, CHANNEL, pack(ROOM) .. change)
end

-- For what only reads: whoever follows the room reads it again.
local function tell_of_rebuilding()
  if not is_rebuilt then return end
  end_step('')
  save()
  publish('')
end

-- What a step is told about a session.
local function read_info()
  local info = {
    sid = argument(), identity = argument(), joined_at = number(), version = number(), visible = argument() == '1',
    profile = argument(), tracks = {},
  }
  for _ = 1, number() do
    info.tracks[#info.tracks + 1] = { sid = argument(), json = argument() }
  end
  return info
end

local function new_session(info, opening, opening_sid)
  return {
    sid = info.sid, identity = info.identity, joined_at = info.joined_at, version = info.version, visible = info.visible,
    profile = info.profile, opening = opening, opening_sid = opening_sid, recorded_at = now, heard_at = nil, standing = 'P',
    alive_at = 0, listed_version = nil, listed_at = nil, missing_since = nil, failures = 0, failed_at = 0, witnessed = false,
  }
end

local function describe(one, info)
  one.joined_at, one.version, one.visible, one.profile = info.joined_at, info.version, info.visible, info.profile
  dirty_sessions[one.sid] = true
end

local function was_removed(held, sid)
  for _, track in ipairs(held.removed) do
    if track.sid == sid then return true end
  end
  return false
end

local function keep_removed(held, is_kept)
  local kept = {}
  for _, track in ipairs(held.removed) do
    if is_kept(track) then kept[#kept + 1] = track end
  end
  held.removed = kept
end

-- Adds the tracks of a description to those that webhooks told of, which know more.
local function join_tracks(held, described)
  for _, track in ipairs(described) do
    if not was_removed(held, track.sid) and not held.published[track.sid] then
      held.published[track.sid] = { heard_at = nil, json = track.json }
    end
  end
end

-- Whatever waited for a session is its own now.
local function take_waiting(sid)
  if tracks_of(sid) then dirty_waiting[sid] = 'taken' end
end
