"""The Lua scripts that write records, each all or nothing; see :mod:`.lua`."""

from __future__ import annotations

from .lua import BEGINNING
from .lua_reading import SEARCHING

_STORE = r"""
call('INCR', tag .. '/version')
settle()
local sequence = tag .. '/sequence'

local function raise_sequence(number)
  local last = call('GET', sequence) or '0'
  if #number > #last or (#number == #last and number > last) then
    call('SET', sequence, number)
  end
end

local function make_id(record)
  local made = redis.pcall('INCR', sequence)
  if type(made) == 'table' and made.err then return nil end
  local text = call('GET', sequence)
  record.id = model.made .. 'p' .. (500 + #text) .. string.gsub(text, '0+$', '') .. '\0'
  record.made = text
  record.fields[#record.fields + 1] = model.exists
  record.fields[#record.fields + 1] = text
  return text
end

for _, record in ipairs(told.records) do
  if record.whole then raise_sequence(record.whole) end
end

local seen, taken, made = {}, {}, {}
for place, record in ipairs(told.records) do
  made[place] = cjson.null
  if is_null(record.id) then
    repeat
      local text = make_id(record)
      if not text then return '["over"]' end
      made[place] = text
    until not exists(record.id)
  end
  if seen[record.id] or exists(record.id) then return cjson.encode({'id', place}) end
  seen[record.id] = true
  for _, index in ipairs(model.indexes) do
    local value = record.entries[index.name]
    if index.unique and not has_null(value) then
      local held = index.name .. '\0' .. value
      if taken[held] or #holders(index.name, value) > 0 then
        return cjson.encode({'unique', place, index.name})
      end
      taken[held] = true
    end
  end
end

for _, record in ipairs(told.records) do
  local id = record.id
  if call('ZADD', ids_key, 0, id) == 0 then
    unlink(id)
    call('ZADD', ids_key, 0, id)
  end
  in_pieces('HSET', key_of(id), record.fields)
  if next(record.entries) then
    keep_entries(id, record.entries)
    for name, value in pairs(record.entries) do add_entry(id, name, value) end
  end
  set_expiry(id, record.expiry)
end
return '["done",' .. list(made) .. ']'
"""

INSERT = BEGINNING + "purge()" + _STORE

#: The same, unless somebody has written since, or what was written may be what was looked for.
INSERT_UNLESS = (
    BEGINNING
    + SEARCHING
    + r"""
purge()

local function may_be_there(plan)
  if size(plan) > 1000 then return true end
  for _, id in ipairs((evaluate(plan))) do
    if exists(id) then return true end
  end
  return false
end

if told.version ~= (call('GET', tag .. '/version') or '0') then
  if is_null(told.plan) or not are_built(told.uses) or may_be_there(told.plan) then
    return '["changed"]'
  end
end
"""
    + _STORE
)

CHANGE = (
    BEGINNING
    + r"""
purge()

local function values_of(parts)
  local split = {}
  for value in string.gmatch(parts, '[^%z]*%z') do split[#split + 1] = value end
  return split
end

-- The values of an index with some of them changed, or nil where the others are not known.
local function changed(old, index, parts)
  local values = old and values_of(old) or {}
  for _, each in ipairs(parts) do values[each[1]] = each[2] end
  for place = 1, index.parts do
    if not values[place] then return nil end
  end
  return table.concat(values)
end

local compares = {
  gt = function(one, other) return one > other end,
  gte = function(one, other) return one >= other end,
  lt = function(one, other) return one < other end,
  lte = function(one, other) return one <= other end,
}

-- Whether what was asked of a record holds; nil where Lua's numbers cannot tell.
local function holds(node, values)
  local kind, value = node[1], values[node[2]]
  if kind == 'null' then return not value end
  if kind == 'not' then
    local inner = holds(node[2], values)
    if inner == nil then return nil end
    return not inner
  end
  if kind == 'and' or kind == 'or' then
    local found = kind == 'and'
    for place = 2, #node do
      local inner = holds(node[place], values)
      if inner == (kind == 'or') then return inner end
      if inner == nil then found = nil end
    end
    return found
  end
  if not value then return false end
  if kind == 'is' then return value == node[3] end
  if kind == 'length' then
    local _, continued = string.gsub(value, '[\128-\191]', '')
    return #value - continued >= node[3]
  end
  if #value > 15 then return nil end
  return compares[kind](tonumber(value), tonumber(node[3]))
end

local function is_wanted(id)
  if not told.check then return true end
  local fields = told.check.fields
  return holds(told.check.test, #fields > 0 and call('HMGET', key_of(id), unpack(fields)) or {})
end

-- Whether there is no record any more as its time has run out.
local function is_over(record)
  if is_null(record['until']) or exists(record.id) then return false end
  local now = call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000) >= tonumber(record['until'])
end

local is_unique, moves, living = {}, {}, {}
for _, index in ipairs(model.indexes) do is_unique[index.name] = index.unique end

for place, record in ipairs(told.records) do
  local is_found = exists(record.id)
  if is_found then is_found = is_wanted(record.id) end
  if is_found == nil then return '["unsure"]' end
  if not is_found and is_over(record) then return '["over"]' end
  if is_found then
    if not is_as(record.id, record.expected) then return '["changed"]' end
    living[#living + 1] = record
    local moved = {}
    local given = record.parts or told.parts
    if #given > 0 then
      local entries = entries_of(record.id)
      for _, each in ipairs(given) do
        local index = each[1]
        local value = each[2]
        if type(value) == 'table' then value = changed(entries[index.name], index, value) end
        if value == false then value = nil end
        if value ~= entries[index.name] then moved[index.name] = value or false end
      end
      if next(moved) then moves[record.id] = {entries, moved} end
    end
  end
end

-- Whoever makes a record unless there is one begins again where this has counted.
call('INCR', tag .. '/version')
settle()

local taken = {}
for _, record in ipairs(living) do
  local move = moves[record.id]
  for name, value in pairs(move and move[2] or {}) do
    if is_unique[name] and value and not has_null(value) then
      local held = name .. '\0' .. value
      local is_taken = taken[held]
      taken[held] = true
      for _, id in ipairs(holders(name, value)) do
        local other = moves[id]
        local leaves = other and other[2][name] ~= nil and other[2][name] ~= value
        if id ~= record.id and not leaves then is_taken = true end
      end
      if is_taken then return cjson.encode({'unique', 1, name}) end
    end
  end
end

local before, found = {}, {}
for _, record in ipairs(living) do
  local id, key = record.id, key_of(record.id)
  if told.undo then
    local score = call('ZSCORE', expiry_key, id)
    before[#before + 1] = {id, call('HGETALL', key), score or cjson.null, cjson.null}
  end
  local fields, gone = record.fields or told.fields_set, record.gone or told.gone
  if told.rest_goes then
    local kept = {}
    for at = 1, #fields, 2 do kept[fields[at]] = true end
    for _, name in ipairs(call('HKEYS', key)) do
      if string.sub(name, 1, 1) == '+' and not kept[name] then call('HDEL', key, name) end
    end
  end
  in_pieces('HSET', key, fields)
  in_pieces('HDEL', key, gone)
  local move = moves[id]
  if move then
    local entries, moved = move[1], move[2]
    for name, value in pairs(moved) do
      if entries[name] then remove_entry(id, name, entries[name]) end
      if value then add_entry(id, name, value) end
      entries[name] = value or nil
    end
    keep_entries(id, entries)
  end
  -- Before its time is set: that may be over already, and the record gone.
  if told.fields then found[#found + 1] = row(id) end
  local expiry = record.expiry or told.expiry
  set_expiry(id, expiry)
  if told.undo and not is_null(expiry) then
    before[#before][4] = call('ZSCORE', expiry_key, id) or cjson.null
  end
end
return '["done",' .. #living .. ',' .. list(before) .. ',' .. list(found) .. ']'
"""
)

REMOVE = (
    BEGINNING
    + r"""
purge()
local living, before = {}, {}
for place, record in ipairs(told.records) do
  if exists(record.id) then
    if not is_as(record.id, record.expected) then return '["changed"]' end
    living[#living + 1] = record.id
  end
end
for _, id in ipairs(living) do
  local key = key_of(id)
  if told.undo then
    local score = call('ZSCORE', expiry_key, id)
    before[#before + 1] = {id, call('HGETALL', key), score or cjson.null}
  end
  unlink(id)
  call('DEL', key)
end
-- A server without memory refuses to count, but not behind what makes room.
if #living > 0 then call('INCR', tag .. '/version') end
return '["done",' .. #living .. ',' .. list(before) .. ']'
"""
)

#: Deletes records, of whatever type their ids were when they were written.
EMPTY = (
    BEGINNING
    + r"""
for _, id in ipairs(told.ids) do
  unlink(id)
  local text = string.sub(id, 2, -2)
  call('DEL', tag .. ':' .. text, tag .. ':' .. (whole(text) or text))
end
call('INCR', tag .. '/version')
return '["done"]'
"""
)

#: Forgets what records have in indexes that nobody keeps any more.
FORGET = (
    BEGINNING
    + r"""
for _, id in ipairs(told.ids) do
  local entries, is_less = entries_of(id), false
  for _, name in ipairs(told.names) do
    is_less = is_less or entries[name] ~= nil
    entries[name] = nil
  end
  if is_less then keep_entries(id, entries) end
end
return '["done"]'
"""
)

#: Puts records that were there before an index into it.
BUILD = (
    BEGINNING
    + r"""
purge()
if call('HGET', tag .. '/indexes', told.name) ~= told.token then return '["lost"]' end
local again = {}
for place, record in ipairs(told.records) do
  if exists(record.id) then
    if not is_as(record.id, record.expected) then
      again[#again + 1] = record.id
    else
      local entries = entries_of(record.id)
      local old = entries[told.name]
      if told.unique and record.value and not has_null(record.value) then
        for _, id in ipairs(holders(told.name, record.value)) do
          if id ~= record.id then return cjson.encode({'unique', place, told.name}) end
        end
      end
      if old and old ~= record.value then remove_entry(record.id, told.name, old) end
      entries[told.name] = record.value or nil
      if record.value then add_entry(record.id, told.name, record.value) end
      keep_entries(record.id, entries)
    end
  end
end
return '["done",' .. list(again) .. ']'
"""
)
