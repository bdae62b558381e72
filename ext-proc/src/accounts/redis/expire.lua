-- Charges in full what nobody settled in time. It can be corrected until it is due once more.
local reply = { '0' }
local due = redis.call('ZRANGEBYSCORE', ns .. ':due', '-inf', int(input.now), 'LIMIT', 0, input.most)
reply[1] = int(#due)
for _, id in ipairs(due) do
  local request = ns .. ':r:' .. id
  local read = redis.call('HMGET', request, 'amount', 'state', 'accounts', 'limits', 'memo')
  if read[2] == 'open' then
    local amount = tonumber(read[1])
    local crossings = {}
    for _, entry in ipairs(cjson.decode(read[3])) do
      local a = account(entry.name)
      if a then
        give_back(a, amount, false)
        a.spent = a.spent + amount
        local crossed = crossing(a)
        write(a)
        if crossed >= 0 then
          crossings[#crossings + 1] = a.name
          crossings[#crossings + 1] = int(crossed)
          crossings[#crossings + 1] = int(a.spent)
        end
      end
    end
    give_slots_back(read[4], function() end)
    redis.call('HSET', request, 'state', 'charged', 'limits', '[]')
    redis.call('ZADD', ns .. ':due', int(input.now + input.late), id)
    for _, value in ipairs({ id, read[5], read[1], int(#crossings / 3) }) do
      reply[#reply + 1] = value
    end
    for _, value in ipairs(crossings) do
      reply[#reply + 1] = value
    end
  else
    forget(id)
    remember(id)
  end
end
return reply
