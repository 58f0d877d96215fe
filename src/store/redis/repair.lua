-- Applies repairs, each only if it still holds. Returns whether they were refused, how many had which effect, and the change.

local asked_at, epoch, version = number(), number(), number()
local confirms, unlisted_at, grace = argument() == '1', number(), number()

load()
tell_of_rebuilding()
if epoch ~= room.epoch or room.version < version then return { 'refused' } end

local function heard_since(one, moment)
  return one.heard_at and one.heard_at >= moment
end

-- Then what was asked for at that time says nothing of its end.
local function was_seen_since(one, moment)
  local is_listed = one.listed_at and one.listed_at >= moment
  return one.recorded_at >= moment or heard_since(one, moment) or one.alive_at >= moment or is_listed
end

local function held(sid)
  local one = session(sid)
  return is_held(one) and one
end

local function is_known(identity)
  for _, sid in ipairs(sids_of(identity)) do
    if held(sid) then return true end
  end
  return false
end

local function replace_tracks(held, listed)
  local kept = {}
  for sid, track in pairs(held.published) do
    if track.heard_at and track.heard_at >= asked_at then kept[sid] = track end
  end
  held.published = kept
  keep_removed(held, function(track) return track.at >= asked_at end)
  join_tracks(held, listed)
end

local function note_listed(sid, version)
  local one = held(sid)
  if not one then return 'outdated' end
  local is_since_start = one.listed_at and (not room.started or one.listed_at > room.started_at)
  local has_lived = one.listed_version and one.listed_version ~= version and is_since_start
  local left = gone_of(sid)
  if has_lived and (not left or left.reason == 'R') then
    touch(one.identity)
    forget_gone(sid)
    shows_life(one, asked_at)
  end
  one.missing_since = nil
  one.listed_version, one.listed_at = version, asked_at
  dirty_sessions[sid] = true
  return 'noted'
end

local function update(info)
  local one = held(info.sid)
  if not one then return 'outdated' end
  local takes_over = info.version > one.version or info.version == one.version and not heard_since(one, asked_at)
  if not takes_over then return 'outdated' end
  touch(one.identity)
  note_listed(info.sid, info.version)
  describe(one, info)
  replace_tracks(tracks_to_change(info.sid), info.tracks)
  return 'updated'
end

local function add(info, suspect)
  if held(info.sid) then return update(info) end
  if is_superseded(info.sid, info.identity, info.joined_at) then return 'outdated' end
  local left = gone_of(info.sid)
  local needs_proof = left and left.at + grace >= asked_at
  if left and left.at >= asked_at or needs_proof and not suspect then return 'outdated' end
  local one = new_session(info, 'P', room.sid)
  one.listed_version, one.listed_at = info.version, asked_at
  if suspect then one.standing = 'S' end
  local missing = session(info.sid)
  if missing then drop_session(missing) end
  local was_known = is_known(info.identity)
  take_waiting(info.sid)
  if not suspect then
    forget_gone(info.sid)
    supersede_older(info)
  end
  insert(one)
  replace_tracks(tracks_to_change(info.sid), info.tracks)
  if suspect then return 'suspected' end
  return was_known and 'replaced' or 'added'
end

local steps = {
  add = function()
    local suspect = argument() == '1'
    return add(read_info(), suspect)
  end,
  update = function() return update(read_info()) end,
  listed = function()
    local sid = argument()
    return note_listed(sid, number())
  end,
  missed = function()
    local one = held(argument())
    if not one or was_seen_since(one, asked_at) then return 'outdated' end
    one.missing_since = one.missing_since or asked_at
    dirty_sessions[one.sid] = true
    return 'noted'
  end,
  remove = function()
    local one = held(argument())
    if not one or was_seen_since(one, asked_at) then return 'outdated' end
    remove(one.sid, 'M')
    return 'removed'
  end,
  forget = function()
    local one = session(argument())
    if not one or is_held(one) then return 'outdated' end
    drop_session(one)
    drop_tracks(one.sid)
    return 'noted'
  end,
  condemn = function()
    local one = held(argument())
    if not one or one.failures == 0 or one.alive_at >= asked_at then return 'outdated' end
    touch(one.identity)
    one.standing = 'C'
    dirty_sessions[one.sid] = true
    room.condemned = now
    return 'condemned'
  end,
  alive = function()
    local one = session(argument())
    local left = one and gone_of(one.sid)
    if not one or left and left.at >= asked_at then return 'outdated' end
    touch(one.identity)
    if not is_held(one) then list_was_wrong() end
    forget_gone(one.sid)
    local was_present = one.standing == 'P'
    shows_life(one, asked_at)
    return was_present and 'noted' or 'reinstated'
  end,
  dead = function()
    local one, witnessed = held(argument()), argument() == '1'
    if not one or one.alive_at >= asked_at or one.failures > 0 and one.failed_at >= asked_at then return 'outdated' end
    one.failures = math.min(one.failures + 1, 255)
    one.failed_at = now
    one.witnessed = one.witnessed or witnessed
    dirty_sessions[one.sid] = true
    return 'noted'
  end,
}

local counts = {}
for _ = 1, number() do
  local effect = steps[argument()]()
  counts[effect] = (counts[effect] or 0) + 1
end

local is_mended = false
if confirms then
  is_mended, room.torn = room.torn, false
  room.whole = true
  room.trusted = now + TRUST
  room.compared = math.max(room.compared, asked_at)
  local is_unlisted = unlisted_at and (not room.started_at or room.started_at < unlisted_at)
  if is_empty() and ((counts.removed or 0) > 0 or room.opening == 'U' or is_unlisted) then room.opening = 'C' end
end

local change = end_step('', is_mended)
save()
if change then publish(change) end
local repaired = { 'repaired', change or '' }
for effect, count in pairs(counts) do
  repaired[#repaired + 1] = effect
  repaired[#repaired + 1] = int(count)
end
return repaired
