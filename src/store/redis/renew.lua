-- Keeps a room that is watched for another day.

load()
if room.version > 0 then
  tell_of_rebuilding()
  expire()
  list()
end
