-- Takes up an account that is new here, with what was spent before; or sets what is spent.
local key = ns .. ':a:' .. input.name
if input.set then
  redis.call('HSET', key, 'spent', int(input.spent), 'alerted', '0')
elseif redis.call('EXISTS', key) == 0 then
  local alerted = input.soft >= 0 and input.spent >= input.soft
  redis.call('HSET', key, 'spent', int(input.spent), 'reserved', '0',
    'limit', int(input.limit), 'soft', int(input.soft), 'alerted', alerted and '1' or '0',
    'position', int(input.position))
end
if input.ttl > 0 then
  redis.call('PEXPIRE', key, input.ttl)
end
return { 'met' }
