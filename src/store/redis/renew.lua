-- Keeps a room that is watched for another day.

load()
if room.version > 0 then
  if is_rebuilt then
    end_step('')
    save()
    publish('')
  end
  expire()
  redis.call('ZADD', INDEX, 'XX', int(now + ROOM_MEMORY), ROOM)
end
