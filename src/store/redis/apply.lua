-- Applies one event, at most once. Returns what it did, and the change if readers see one.

local extra_trust = number()
local event_id, received_at, kind, room_sid, created_at = argument(), argument(), argument(), argument(), number()

if event_id ~= '' then
  local seen_at = tonumber(redis.call('ZSCORE', SEEN, event_id))
  if seen_at and seen_at >= now - EVENT_MEMORY then return { 'duplicate' } end
end

load()
if now > room.trusted + extra_trust then room.whole = false end

local is_unexpected, is_lost = false, false

local function is_missing(sid)
  local left = gone_of(sid)
  return left and left.reason == 'M'
end

local function learn_sid()
  if room_sid ~= '' then room.sid = room_sid end
end

-- Looks through everybody who is held. Tells how many went.
local function remove_where(reason, is_over)
  local removed = 0
  for _, one in ipairs(all_sessions()) do
    if is_held(one) and is_over(one) then
      remove(one.sid, reason)
      removed = removed + 1
    end
  end
  recount()
  return removed
end

local function start()
  if room.started and created_at < room.started then return end
  local horizon = created_at - START_TOLERANCE_MILLIS
  local removed, may_predate = 0, false
  for _, group in pairs(room.inside) do may_predate = may_predate or group.oldest < horizon end
  if may_predate then
    removed = remove_where('R', function(one) return one.joined_at < horizon end)
  end
  room.whole = removed == 0
  room.opening = 'O'
  room.epoch = room.epoch + 1
  room.started, room.started_at = created_at, now
  learn_sid()
end

local function finish()
  local may_end = false
  for opening_sid, group in pairs(room.inside) do
    local is_it = opening_sid == '' or opening_sid == room_sid
    may_end = may_end or is_it and group.oldest < created_at + 1000
  end
  if may_end then
    remove_where('F', function(one)
      local is_of_it = one.opening_sid == '' or one.opening_sid == room_sid
      local ended_at = one.opening == 'S' and created_at + 1000 or created_at
      return is_of_it and one.joined_at < ended_at
    end)
  end
  room.epoch = room.epoch + 1
  local is_current = room.sid == '' or room.sid == room_sid
  local is_later = not room.started or room.started <= created_at
  if is_current and is_later and is_empty() then
    room.opening = 'C'
    room.whole = true
  end
end

local function join()
  local state = argument()
  local info = read_info()
  local was_missing = is_missing(info.sid)
  is_unexpected = was_missing
  if state == 'D' or gone_of(info.sid) and not was_missing then return end
  local one = session(info.sid)
  if one and one.identity ~= info.identity then return end
  if is_superseded(info.sid, info.identity, info.joined_at) then
    if not one and tracks_of(info.sid) then
      drop_tracks(info.sid)
      dirty_waiting[info.sid] = 'gone'
    end
    remove(info.sid, 'S')
    return
  end
  if room.opening == 'C' then
    room.opening = 'U'
    room.whole = false
  end
  learn_sid()
  if was_missing then
    list_was_wrong()
    forget_gone(info.sid)
  end
  supersede_older(info)
  touch(info.identity)
  if one then
    if info.version > one.version then
      describe(one, info)
      join_tracks(tracks_to_change(info.sid), info.tracks)
    end
    one.opening, one.opening_sid = 'S', room_sid
    hears(one)
    return
  end
  one = new_session(info, 'S', room_sid)
  take_waiting(info.sid)
  insert(one)
  join_tracks(tracks_to_change(info.sid), info.tracks)
  hears(one)
end

local function leave()
  local sid, was_active = argument(), argument() == '1'
  is_unexpected = was_active and not is_held(session(sid)) and not gone_of(sid)
  is_lost = is_unexpected and room.torn
  if not session(sid) and tracks_of(sid) then
    drop_tracks(sid)
    dirty_waiting[sid] = 'gone'
  end
  remove(sid, 'L')
end

-- Where a track webhook belongs: to the session, to what waits for it, or nowhere once it is gone.
local function heard_tracks_of(sid)
  local one, left, was_missing = session(sid), gone_of(sid), is_missing(sid)
  is_unexpected = not is_held(one) and (not left or was_missing)
  if was_missing then
    list_was_wrong()
    forget_gone(sid)
    left = false
  end
  if one then
    touch(one.identity)
    if left and left.reason ~= 'R' then
      one.heard_at = now
      dirty_sessions[sid] = true
    else
      forget_gone(sid)
      hears(one)
    end
    return tracks_to_change(sid)
  end
  if left then return nil end
  if not tracks_of(sid) then dirty_waiting[sid] = 'waits' end
  return tracks_to_change(sid)
end

local function forget_removed(held)
  keep_removed(held, function(track) return now - track.at < TRACK_MEMORY end)
end

local function publish_track()
  local held, sid, json = heard_tracks_of(argument()), argument(), argument()
  if not held then return end
  forget_removed(held)
  if not was_removed(held, sid) then held.published[sid] = { heard_at = now, json = json } end
end

local function unpublish_track()
  local held, sid = heard_tracks_of(argument()), argument()
  if not held then return end
  forget_removed(held)
  held.published[sid] = nil
  keep_removed(held, function(track) return track.sid ~= sid end)
  held.removed[#held.removed + 1] = { sid = sid, at = now }
  if #held.removed > MOST_REMOVED_TRACKS then table.remove(held.removed, 1) end
end

local kinds = {
  started = start, finished = finish, joined = join, left = leave, published = publish_track, unpublished = unpublish_track,
}
kinds[kind]()

room.trusted = now + TRUST
-- Somebody may show whom this room has lost: a hole in the versions has everybody read it again.
if is_lost then room.version = next_version(room.version) end
local change = end_step(received_at, is_lost)
save(event_id)
if change then
  publish(change)
  return { 'changed', change }
end
return { is_unexpected and 'unexpected' or 'unchanged' }
