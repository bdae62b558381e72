-- Names the server's memory: it has another name after a restart, and where another server took over.
return { string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') }
