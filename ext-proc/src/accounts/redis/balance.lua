-- What is spent and reserved.
local a = account(input.name)
if not a then
  return { 'strangers' }
end
return { 'balance', int(a.spent), int(a.reserved) }
