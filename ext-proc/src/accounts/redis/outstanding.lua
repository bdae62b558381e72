-- Requests whose reservations are due.
return redis.call('ZRANGEBYSCORE', ns .. ':due', '-inf', int(input.now))
