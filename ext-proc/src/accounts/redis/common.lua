-- Shared by all scripts. ARGV[1] is the namespace with its hash tag, so that all keys are in one
-- slot of a cluster; ARGV[2] is what the operation needs, as JSON.
--
-- Amounts are integers below 2^53, which doubles hold exactly. They are never written by Lua's own
-- tostring, which keeps 14 digits, but by int() or by HINCRBY.
--
-- a:<account and window>  hash    spent, reserved, limit (-1: none), soft (-1: none), alerted,
--                                 position: up to which record of the ledger it began with
-- l:<account>             hash    since, requests, tokens, flying
-- r:<request>             hash    amount, state, memo, accounts and limits as JSON
-- s:<request>             string  it was settled
-- due                     zset    requests by when they expire
local ns = ARGV[1]
local input = cjson.decode(ARGV[2])
local MINUTE = 60000
local DAY = 86400000

local function int(number)
  return string.format('%.0f', number)
end

local function account(name)
  local key = ns .. ':a:' .. name
  local read = redis.call('HMGET', key, 'spent', 'reserved', 'limit', 'soft', 'alerted',
    'position')
  if not read[1] then
    return nil
  end
  return {
    key = key,
    name = name,
    spent = tonumber(read[1]),
    reserved = tonumber(read[2] or '0'),
    limit = tonumber(read[3] or '-1'),
    soft = tonumber(read[4] or '-1'),
    alerted = read[5] == '1',
    position = tonumber(read[6] or '0'),
  }
end

local function room(a)
  if a.limit < 0 then
    return math.huge
  end
  return math.max(0, a.limit - a.spent - a.reserved)
end

local function write(a)
  redis.call('HSET', a.key, 'spent', int(a.spent), 'reserved', int(a.reserved),
    'limit', int(a.limit), 'soft', int(a.soft), 'alerted', a.alerted and '1' or '0')
end

-- The soft limit, the first time that spending reaches it; else -1.
local function crossing(a)
  if a.soft < 0 or a.alerted or a.spent < a.soft then
    return -1
  end
  a.alerted = true
  return a.soft
end

-- Puts money that is no longer held back.
local function give_back(a, amount, charged)
  if charged then
    a.spent = math.max(0, a.spent - amount)
  else
    a.reserved = math.max(0, a.reserved - amount)
  end
end

-- What an account pays: those of providers and deployments their share, others everything.
local function cost_of(entry, held)
  if input.cost < 0 then
    return held
  end
  if entry.own then
    return input.shares[entry.own] or 0
  end
  return input.cost
end

-- A counter as it stands now. Replicas' clocks may be apart: a minute that begins in a moment is
-- this one.
local function counter(name, now)
  local key = ns .. ':l:' .. name
  local read = redis.call('HMGET', key, 'since', 'requests', 'tokens', 'flying')
  local since = tonumber(read[1] or '0')
  local c = { key = key, since = since, flying = tonumber(read[4] or '0') }
  if since > now - MINUTE and since < now + MINUTE then
    c.requests = tonumber(read[2] or '0')
    c.tokens = tonumber(read[3] or '0')
  else
    c.since, c.requests, c.tokens = now, 0, 0
  end
  return c
end

local function write_counter(c)
  redis.call('HSET', c.key, 'since', int(c.since), 'requests', int(c.requests),
    'tokens', int(c.tokens), 'flying', int(c.flying))
  redis.call('PEXPIRE', c.key, DAY)
end

-- Gives the slots of a request back; correct(counter, estimated) where its minute is not over.
local function give_slots_back(json, correct)
  for _, taken in ipairs(cjson.decode(json)) do
    local key = ns .. ':l:' .. taken.name
    local read = redis.call('HMGET', key, 'since', 'requests', 'tokens', 'flying')
    if read[1] then
      local c = { key = key, since = tonumber(read[1]), requests = tonumber(read[2]),
        tokens = tonumber(read[3]), flying = math.max(0, tonumber(read[4]) - 1) }
      if c.since == taken.since then
        correct(c, taken.tokens)
      end
      write_counter(c)
    end
  end
end

local function forget(id)
  redis.call('DEL', ns .. ':r:' .. id)
  redis.call('ZREM', ns .. ':due', id)
end

local function remember(id)
  redis.call('SET', ns .. ':s:' .. id, '1', 'PX', input.remember)
end
