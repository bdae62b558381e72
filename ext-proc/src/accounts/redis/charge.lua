-- Charges a request that holds no reservation, as far as there is room. Accounts that began with the
-- ledger's sum up to its position or beyond have it already.
if redis.call('EXISTS', ns .. ':s:' .. input.id) == 1 then
  return { 'already' }
end
if redis.call('EXISTS', ns .. ':r:' .. input.id) == 1 then
  return { 'held' }
end
local reply = {}
local accounts = {}
for i, budget in ipairs(input.budgets) do
  accounts[i] = account(budget.name)
  if not accounts[i] then
    reply[#reply + 1] = int(i - 1)
  end
end
if #reply > 0 then
  return { 'strangers', unpack(reply) }
end
reply = { 'charged', '0' }
local seen = {}
for i, budget in ipairs(input.budgets) do
  if accounts[i].position < input.position and not seen[budget.name] then
    seen[budget.name] = true
    local a = accounts[i]
    a.limit, a.soft = budget.limit, budget.soft
    local cost = cost_of(budget, 0)
    local covered = math.min(cost, room(a))
    a.spent = a.spent + covered
    local crossed = crossing(a)
    write(a)
    for _, value in ipairs({ a.name, int(cost - covered), int(a.spent), int(crossed) }) do
      reply[#reply + 1] = value
    end
  end
end
remember(input.id)
return reply
