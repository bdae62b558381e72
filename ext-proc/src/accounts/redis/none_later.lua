-- The clock was set back: what is held now is not held until the clock is there again.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', ns .. ':due', '(' .. int(input.now), '+inf')) do
  if redis.call('HGET', ns .. ':r:' .. id, 'state') == 'open' then
    redis.call('ZADD', ns .. ':due', int(input.now), id)
  end
end
return { 'done' }
