-- Replaces a reservation by what the request did cost. Also releases: then it cost nothing, its
-- request does not count, and the id is free again.
local read = redis.call('HMGET', ns .. ':r:' .. input.id, 'amount', 'state', 'accounts', 'limits')
if not read[1] then
  if redis.call('EXISTS', ns .. ':s:' .. input.id) == 1 then
    return { 'already' }
  end
  return { 'unknown' }
end
local held, charged = tonumber(read[1]), read[2] == 'charged'
local reply = { 'charged', charged and '1' or '0' }
for _, entry in ipairs(cjson.decode(read[3])) do
  local a = account(entry.name)
  if a then
    local cost = cost_of(entry, held)
    give_back(a, held, charged)
    a.spent = a.spent + math.min(cost, held)
    local excess = math.max(0, cost - held)
    local covered = math.min(excess, room(a))
    a.spent = a.spent + covered
    local crossed = crossing(a)
    write(a)
    for _, value in ipairs({ a.name, int(excess - covered), int(a.spent), int(crossed) }) do
      reply[#reply + 1] = value
    end
  end
end
give_slots_back(read[4], function(c, estimated)
  c.tokens = math.max(0, c.tokens - estimated) + input.tokens
  if input.release then
    c.requests = math.max(0, c.requests - 1)
  end
end)
forget(input.id)
if not input.release then
  remember(input.id)
end
return reply
