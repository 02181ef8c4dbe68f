"""The Lua scripts that read records; see :mod:`.lua`."""

from __future__ import annotations

from .lua import BEGINNING

READ = (
    BEGINNING
    + r"""
local found, known = rows(told.ids)
return '[' .. list(found) .. ',' .. list(known) .. ']'
"""
)

GET = r"""
local fields = cjson.decode(ARGV[1])
local values = redis.call('HMGET', KEYS[1], unpack(fields))
if not values[1] then return false end
for place = 1, #values do
  if not values[place] then values[place] = cjson.null end
end
return cjson.encode(values)
"""

#: What scripts begin with, behind that, which look records up in indexes.
SEARCHING = r"""
local function size(plan)
  local many = 0
  if plan.kind == 'range' then
    for _, span in ipairs(plan.spans) do
      many = many + call('ZLEXCOUNT', index_key(plan.index), span[1], span[2])
    end
  elseif plan.kind == 'near' then
    many = call('ZCARD', tag .. '/geo/' .. plan.index)
  elseif plan.kind == 'any' then
    for _, inner in ipairs(plan.plans) do many = many + size(inner) end
  else
    many = nil
    for _, inner in ipairs(plan.plans) do
      local one = size(inner)
      if not many or one < many then many = one end
    end
  end
  return many
end

-- Around a pole Redis does not look everywhere, nor where it is far.
local function is_all(lat, radius)
  return is_null(radius) or radius > 5000000
    or math.abs(lat) + math.deg(radius / 6372797.560856) > 89.99
end

local function near(plan)
  local key = tag .. '/geo/' .. plan.index
  local radius = plan.radius
  local where = {'FROMLONLAT', plan.lng, plan.lat, 'BYRADIUS'}
  if plan.nearest then
    where[5], where[6] = '20100', 'km'
    local first = call('GEOSEARCH', key, where[1], where[2], where[3], where[4], where[5], where[6],
      'ASC', 'COUNT', plan.nearest, 'WITHDIST')
    if #first == plan.nearest then
      radius = tonumber(first[#first][2]) * 1000 * 1.000001 + 5
    end
  end
  local found
  if is_all(plan.lat, radius) then
    found = call('ZRANGE', key, 0, -1)
  else
    found = call('GEOSEARCH', key, where[1], where[2], where[3], where[4],
      string.format('%.3f', radius), 'm')
  end
  for _, id in ipairs(call('SMEMBERS', key .. '/polar')) do found[#found + 1] = id end
  return found
end

local evaluate

local function all(plans)
  local sizes = {}
  for place, plan in ipairs(plans) do sizes[place] = {size(plan), plan} end
  table.sort(sizes, function(one, other) return one[1] < other[1] end)
  local found, is_exact = evaluate(sizes[1][2])
  for place = 2, #sizes do
    if sizes[place][1] > math.max(2000, 10 * #found) then
      is_exact = false
    else
      local others, also = evaluate(sizes[place][2])
      local has, both = {}, {}
      for _, id in ipairs(others) do has[id] = true end
      for _, id in ipairs(found) do
        if has[id] then both[#both + 1] = id end
      end
      found, is_exact = both, is_exact and also
    end
  end
  return found, is_exact
end

local function any(plans)
  local found, has, is_exact = {}, {}, true
  for _, plan in ipairs(plans) do
    local some, also = evaluate(plan)
    is_exact = is_exact and also
    for _, id in ipairs(some) do
      if not has[id] then
        has[id] = true
        found[#found + 1] = id
      end
    end
  end
  return found, is_exact
end

-- The ids that a plan leads to, each once, and whether all of it was looked at.
function evaluate(plan)
  if plan.kind == 'all' then return all(plan.plans) end
  if plan.kind == 'any' then return any(plan.plans) end
  if plan.kind == 'near' then return near(plan), true end
  local found = {}
  for _, span in ipairs(plan.spans) do
    for _, entry in ipairs(call('ZRANGEBYLEX', index_key(plan.index), span[1], span[2])) do
      found[#found + 1] = plan.index == '' and entry or id_of(entry)
    end
  end
  return found, true
end

-- Whether the indexes of a plan have all records.
local function are_built(names)
  for _, name in ipairs(names) do
    if call('HGET', tag .. '/indexes', name) ~= '1' then return call('EXISTS', ids_key) == 0 end
  end
  return true
end
"""

COUNT = (
    BEGINNING
    + SEARCHING
    + r"""
purge()
if not are_built(told.uses) then return false end
if is_null(told.plan) then return '[' .. call('ZCARD', ids_key) .. ',true]' end
if told.plan.kind == 'range' or told.only_size then return '[' .. size(told.plan) .. ',true]' end
local found, is_exact = evaluate(told.plan)
return '[' .. #found .. ',' .. tostring(is_exact) .. ']'
"""
)

#: The ids that a plan leads to, and their rows where they are few.
FIND = (
    BEGINNING
    + SEARCHING
    + r"""
purge()
if not are_built(told.uses) then return false end
if told.plan.kind == 'range' and size(told.plan) > told.most then return '["more"]' end
local found, is_exact = evaluate(told.plan)
if #found > told.most then return '["more"]' end
if #found > told.few then return '[' .. tostring(is_exact) .. ',' .. list(found) .. ',null]' end
local values, known, gone = rows(found)
while told.plan.nearest and gone > 0 do
  found = evaluate(told.plan)
  values, known, gone = rows(found)
end
return '[' .. tostring(is_exact) .. ',' .. list(known) .. ',' .. list(values) .. ']'
"""
)

#: A part of an index in its order, and what is left of it behind that part.
WALK = (
    BEGINNING
    + SEARCHING
    + r"""
purge()
if not are_built(told.uses) then return false end
local key = index_key(told.index)
local skip, left = told.skip, told.limit
if skip > 0 then skip = math.min(skip, call('ZCARD', key)) end
local found, rest = {}, {}

local function value_of(entry)
  return told.index == '' and entry or string.sub(entry, 1, #entry - #id_of(entry))
end

local function take(entries)
  for _, entry in ipairs(entries) do
    found[#found + 1] = told.index == '' and entry or id_of(entry)
  end
  left = left - #entries
end

-- The ids of a group of equal values, as far as they are wanted.
local function group(value)
  local high = '(' .. value .. '>'
  local some = call('ZRANGEBYLEX', key, '[' .. value, high, 'LIMIT', skip, left)
  skip = 0
  take(some)
  if left == 0 then rest[#rest + 1] = {'(' .. some[#some], high, 'up'} end
end

-- The last values of a span first, and among equal ones the least id.
local function backwards(span)
  local low, high = span[1], span[2]
  while left > 0 do
    if skip > 0 then
      -- A page may begin inside of a group of equal values.
      local first = call('ZREVRANGEBYLEX', key, high, low, 'LIMIT', skip, 1)[1]
      if not first then
        skip = skip - call('ZLEXCOUNT', key, low, high)
        return
      end
      local value = value_of(first)
      skip = skip - call('ZLEXCOUNT', key, '(' .. value .. '>', high)
      group(value)
      high = '(' .. value
    else
      local some = call('ZREVRANGEBYLEX', key, high, low, 'LIMIT', 0, left)
      if #some == 0 then return end
      local place = 1
      while place <= #some and left > 0 do
        local value, last = value_of(some[place]), place
        while last < #some and value_of(some[last + 1]) == value do last = last + 1 end
        if last == #some then
          group(value)
        else
          for at = last, place, -1 do take({some[at]}) end
        end
        high = '(' .. value
        place = last + 1
      end
    end
  end
  rest[#rest + 1] = {low, high, 'backwards'}
end

local function straight(span, command, first, last)
  if skip > 0 then
    local many = call('ZLEXCOUNT', key, span[1], span[2])
    if many <= skip then
      skip = skip - many
      return
    end
  end
  local some = call(command, key, first, last, 'LIMIT', skip, left)
  skip = 0
  take(some)
  if left == 0 then
    local edge = '(' .. some[#some]
    if span[3] == 'up' then
      rest[#rest + 1] = {edge, span[2], 'up'}
    else
      rest[#rest + 1] = {span[1], edge, 'down'}
    end
  end
end

for _, span in ipairs(told.spans) do
  if left <= 0 then
    rest[#rest + 1] = span
  elseif span[3] == 'backwards' then
    backwards(span)
  elseif span[3] == 'up' then
    straight(span, 'ZRANGEBYLEX', span[1], span[2])
  else
    straight(span, 'ZREVRANGEBYLEX', span[2], span[1])
  end
end
local values, known = rows(found)
return '[' .. list(values) .. ',' .. list(rest) .. ',' .. list(known) .. ',' .. skip .. ']'
"""
)
