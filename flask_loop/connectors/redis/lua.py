"""The Lua scripts that read and write records and their indexes, each at once.

All keys of a model begin with its tag, ``prefix{collection}``, so that they are in one slot of a
Redis Cluster; the tag is the one key that a script is given, and the others are made from it:

================ ================================================================================
Key              What it is
================ ================================================================================
``tag:id``       the hash of a record
``tag/ids``      a sorted set: the ids of the records
``tag/index/n``  a sorted set: the entries of an index, each the parts of its values and the id
``tag/geo/n``    a geo set: the points of a property, by id; ``/polar``: those that it cannot hold
``tag/entries``  a hash: what each record has in the indexes, as JSON
``tag/indexes``  a hash: ``1`` for each index that has all records, another text while it is built
``tag/dropped``  a set: the indexes that have records and that nobody trusts
``tag/expiry``   a sorted set: when which record is gone, in milliseconds
``tag/sequence`` the greatest integer that is or was an id
``tag/version``  how many writes there were
================ ================================================================================

What a script is told and what it answers is JSON; texts of Redis are never numbers in it.
"""

from __future__ import annotations

#: What a script says that has deleted a part of what is out of date, and is to be run again.
UNFINISHED = "LOOP_UNFINISHED"

#: What every script of a collection begins with: its keys, and what is done to them.
BEGINNING = r"""
local tag = KEYS[1]
local told = cjson.decode(ARGV[1])
local model = told.model
local call = redis.call
local ids_key, entries_key, expiry_key = tag .. '/ids', tag .. '/entries', tag .. '/expiry'

-- What fails in the middle leaves what was written before it, so that a client that writes for the
-- first time is refused before that. Redis 6.2 cannot tell.
if told.first and redis.acl_check_cmd then
  for _, command in ipairs({
    {'set', tag, ''}, {'incr', tag}, {'hget', tag, ''}, {'hset', tag, '', ''}, {'hdel', tag, ''},
    {'hkeys', tag}, {'zadd', tag, 0, ''}, {'zrem', tag, ''}, {'zscore', tag, ''},
    {'geoadd', tag, 0, 0, ''}, {'sadd', tag, ''}, {'srem', tag, ''}, {'pexpireat', tag, 0},
    {'persist', tag}, {'del', tag}
  }) do
    if not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply("NOPERM this user may not run '" .. command[1] .. "'")
    end
  end
end

local function is_null(value)
  return value == nil or value == cjson.null
end

local function list(values)
  if #values == 0 then return '[]' end
  return cjson.encode(values)
end

-- The decimal text of a whole number from the text that it sorts by; nil of what is none.
local function whole(text)
  if text == 'o' then return '0' end
  local sign = string.sub(text, 1, 1)
  if sign == 'm' then
    text = string.gsub(string.sub(text, 1, -2), '%d', function(digit)
      return tostring(9 - tonumber(digit))
    end)
  end
  if not string.find(text, '^[pm]%d%d%d%d+$') then return nil end
  local digits = string.sub(text, 5)
  local zeros = string.rep('0', tonumber(string.sub(text, 2, 4)) - 500 - #digits)
  return (sign == 'm' and '-' or '') .. digits .. zeros
end

local function key_of(id)
  local text = string.sub(id, 2, -2)
  if model.whole then text = whole(text) or text end
  return tag .. ':' .. text
end

-- The id at the end of an index's entry.
local function id_of(entry)
  local left, at = model.parts, #entry - 1
  while at > 0 do
    if string.byte(entry, at) == 0 then
      left = left - 1
      if left == 0 then break end
    end
    at = at - 1
  end
  return string.sub(entry, at + 1)
end

local function exists(id)
  return call('EXISTS', key_of(id)) == 1
end

-- Whether there is no record with an id, of whatever type the ids were when it was written.
local function is_gone(id)
  local text = string.sub(id, 2, -2)
  return call('EXISTS', tag .. ':' .. text, tag .. ':' .. (whole(text) or text)) == 0
end

-- Whether the fields of a record have the values that somebody read before.
local function is_as(id, expected)
  local key = key_of(id)
  for at = 1, #(expected or {}), 2 do
    local value = expected[at + 1]
    if call('HGET', key, expected[at]) ~= (value ~= cjson.null and value) then return false end
  end
  return true
end

local function index_key(name)
  if name == '' then return ids_key end
  return tag .. '/index/' .. name
end

local function remove_entry(id, name, value)
  if string.sub(name, 1, 1) == '@' then
    local key = tag .. '/geo/' .. string.sub(name, 2)
    call('ZREM', key, id)
    call('SREM', key .. '/polar', id)
  else
    call('ZREM', index_key(name), value .. id)
  end
end

local function add_entry(id, name, value)
  if string.sub(name, 1, 1) == '@' then
    local key = tag .. '/geo/' .. string.sub(name, 2)
    if value == 'polar' then
      call('SADD', key .. '/polar', id)
    else
      local lng, lat = string.match(value, '(.*),(.*)')
      call('GEOADD', key, lng, lat, id)
    end
  else
    call('ZADD', index_key(name), 0, value .. id)
  end
end

local function entries_of(id)
  local text = call('HGET', entries_key, id)
  return text and cjson.decode(text) or {}
end

local function keep_entries(id, entries)
  if next(entries) then
    call('HSET', entries_key, id, cjson.encode(entries))
  else
    call('HDEL', entries_key, id)
  end
end

-- Take a record out of all that leads to it.
local function unlink(id)
  for name, value in pairs(entries_of(id)) do remove_entry(id, name, value) end
  call('HDEL', entries_key, id)
  call('ZREM', ids_key, id)
  call('ZREM', expiry_key, id)
end

-- Delete what is out of date. Redis itself deletes no more than the hash. Where that is much,
-- others are let in between.
local function purge()
  if call('EXISTS', expiry_key) == 0 then return end
  local now = call('TIME')
  local due = call('ZRANGEBYSCORE', expiry_key, '-inf', now[1] * 1000 + math.floor(now[2] / 1000),
    'LIMIT', 0, 1001)
  for place = 1, math.min(#due, 1000) do
    unlink(due[place])
    call('DEL', key_of(due[place]))
  end
  if #due > 1000 then error('LOOP_UNFINISHED') end
end

local function set_expiry(id, given)
  if is_null(given) then return end
  local key = key_of(id)
  if given == 'never' then
    call('PERSIST', key)
    call('ZREM', expiry_key, id)
    return
  end
  local at = given.at
  if given.after then
    local now = call('TIME')
    at = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) + given.after)
  end
  call('PEXPIREAT', key, at)
  call('ZADD', expiry_key, at, id)
end

local function in_pieces(command, key, values)
  for start = 1, #values, 1000 do
    call(command, key, unpack(values, start, math.min(start + 999, #values)))
  end
end

-- The values of a record that were asked for, or nil where there is none. Each has the first.
local function row(id)
  local key = key_of(id)
  if model.open then
    local all = call('HGETALL', key)
    return #all > 0 and all or nil
  end
  local values = call('HMGET', key, unpack(told.fields))
  if not values[1] then return nil end
  for place = 1, #values do
    if not values[place] then values[place] = cjson.null end
  end
  return values
end

-- The rows of records, the ids that they have, and how many ids had no record. Those lead to it no
-- more.
local function rows(ids)
  local found, known, gone = {}, {}, 0
  for _, id in ipairs(ids) do
    local values = row(id)
    if values then
      found[#found + 1] = values
      known[#known + 1] = id
    elseif is_gone(id) then
      unlink(id)
      gone = gone + 1
    end
  end
  return found, known, gone
end

local function has_null(value)
  return string.byte(value, 1) == 126 or string.find(value, '\0~', 1, true)
end

local function holders(name, value)
  local found = call('ZRANGEBYLEX', index_key(name), '[' .. value, '(' .. value .. '>')
  local living = {}
  for _, entry in ipairs(found) do
    local id = id_of(entry)
    if is_gone(id) then unlink(id) else living[#living + 1] = id end
  end
  return living
end

-- Let nobody trust the indexes that this writer does not keep, and note which ones have records
-- though nobody trusts them: the one of an older writer has what this one is about to write.
local function settle()
  local known, many = {}, 0
  local is_new = nil
  for _, index in ipairs(model.indexes) do
    known[index.name] = true
    if call('HEXISTS', tag .. '/indexes', index.name) == 1 then
      many = many + 1
    else
      if is_new == nil then is_new = call('EXISTS', ids_key) == 0 end
      if is_new then
        many = many + call('HSET', tag .. '/indexes', index.name, '1')
      else
        call('SADD', tag .. '/dropped', index.name)
      end
    end
  end
  if call('HLEN', tag .. '/indexes') > many then
    for _, name in ipairs(call('HKEYS', tag .. '/indexes')) do
      if not known[name] then
        call('HDEL', tag .. '/indexes', name)
        call('SADD', tag .. '/dropped', name)
      end
    end
  end
end
"""
