-- The request is still under way: what it holds expires later. What expired too early stays charged, and
-- can be corrected for as long again.
local state = redis.call('HGET', ns .. ':r:' .. input.id, 'state')
if state then
  local due = state == 'open' and input.due or input.due + input.late
  redis.call('ZADD', ns .. ':due', 'XX', 'GT', int(due), input.id)
end
return { 'kept' }
