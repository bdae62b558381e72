-- Reserves an amount in all budgets and counts the request in all limits, or does nothing.
local request = ns .. ':r:' .. input.id
local reply = {}

local function add(...)
  for _, value in ipairs({ ... }) do
    reply[#reply + 1] = value
  end
end

local accounts = {}
for i, budget in ipairs(input.budgets) do
  accounts[i] = account(budget.name)
  if not accounts[i] then
    add(int(i - 1))
  end
end
if #reply > 0 then
  return { 'strangers', unpack(reply) }
end

local function states()
  for _, a in ipairs(accounts) do
    add(int(a.spent), int(a.reserved))
  end
end

local function counters()
  for _, limit in ipairs(input.limits) do
    local c = counter(limit.name, input.now)
    add(int(c.since), int(c.requests), int(c.tokens), int(c.flying))
  end
end

local held = redis.call('HGET', request, 'amount')
if held then
  states()
  counters()
  return { 'held', held, unpack(reply) }
end

for i, limit in ipairs(input.limits) do
  local c = counter(limit.name, input.now)
  local full = (limit.parallel >= 0 and c.flying >= limit.parallel)
    or (limit.rpm >= 0 and c.requests >= limit.rpm)
    or (limit.tpm >= 0 and (limit.tpm == 0 or limit.takes > limit.tpm - c.tokens))
  if full then
    return { 'limited', int(i - 1), int(c.since), int(c.requests), int(c.tokens), int(c.flying) }
  end
end

for i, budget in ipairs(input.budgets) do
  local a = accounts[i]
  a.limit = budget.limit
  if room(a) / input.waiting < input.amount then
    states()
    return { 'full', unpack(reply) }
  end
end

-- States are told as they were before.
states()
local held_by, seen = {}, {}
for i, budget in ipairs(input.budgets) do
  if not seen[budget.name] then
    seen[budget.name] = true
    local a = accounts[i]
    a.reserved = a.reserved + input.amount
    a.soft = budget.soft
    write(a)
    if budget.ttl > 0 then
      redis.call('PEXPIRE', a.key, budget.ttl)
    end
    held_by[#held_by + 1] = { name = budget.name, own = budget.own }
  end
end
local taken = {}
for _, limit in ipairs(input.limits) do
  if not seen['l:' .. limit.name] then
    seen['l:' .. limit.name] = true
    local c = counter(limit.name, input.now)
    c.requests = c.requests + 1
    c.flying = c.flying + 1
    c.tokens = c.tokens + limit.takes
    write_counter(c)
    taken[#taken + 1] = { name = limit.name, since = c.since, tokens = limit.takes }
  end
end
counters()
redis.call('HSET', request, 'amount', int(input.amount), 'state', 'open', 'memo', input.memo,
  'accounts', cjson.encode(held_by), 'limits', cjson.encode(taken))
redis.call('ZADD', ns .. ':due', int(input.due), input.id)
return { 'reserved', unpack(reply) }
