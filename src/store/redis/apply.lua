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

local function expect(sid)
  is_unexpected = not session(sid) and not gone_of(sid)
end

local function learn_sid()
  if room_sid ~= '' then room.sid = room_sid end
end

local function start()
  if room.started and created_at < room.started then return end
  local horizon = created_at - START_TOLERANCE_MILLIS
  local removed = 0
  for _, one in ipairs(all_sessions()) do
    if one.joined_at < horizon then
      remove(one.sid, 'R')
      removed = removed + 1
    end
  end
  room.whole = removed == 0
  room.opening = 'O'
  room.epoch = room.epoch + 1
  room.started, room.started_at = created_at, now
  learn_sid()
end

local function finish()
  for _, one in ipairs(all_sessions()) do
    local is_of_it = one.opening_sid == '' or one.opening_sid == room_sid
    local ended_at = one.opening == 'S' and created_at + 1000 or created_at
    if is_of_it and one.joined_at < ended_at then remove(one.sid, 'F') end
  end
  room.epoch = room.epoch + 1
  local is_current = room.sid == '' or room.sid == room_sid
  local is_later = not room.started or room.started <= created_at
  if is_current and is_later and room.sessions == 0 then
    room.opening = 'C'
    room.whole = true
  end
end

local function join()
  local state = argument()
  local info = read_info()
  if state == 'D' or gone_of(info.sid) then return end
  local one = session(info.sid)
  if one and one.identity ~= info.identity then return end
  if room.opening == 'C' then
    room.opening = 'U'
    room.whole = false
  end
  learn_sid()
  for _, sid in ipairs(sids_of(info.identity)) do
    local other = sid ~= info.sid and session(sid)
    if other and other.joined_at < info.joined_at then remove(sid, 'S') end
  end
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
  if was_active then expect(sid) end
  is_lost = is_unexpected and room.torn
  if not session(sid) and tracks_of(sid) then
    drop_tracks(sid)
    dirty_waiting[sid] = 'gone'
  end
  remove(sid, 'L')
end

-- Where a track webhook belongs: to the session, to what waits for it, or nowhere once it is gone.
local function heard_tracks_of(sid)
  expect(sid)
  local one, left = session(sid), gone_of(sid)
  if one then
    touch(one.identity)
    if left and left.reason ~= 'R' and left.reason ~= 'M' then
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
