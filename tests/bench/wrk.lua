-- What wrk sends: `wrk … -s wrk.lua URL -- kind=… key=value …`; see load.py for what each kind takes.

local given, sent, path, headers = {}, 0, nil, {}
local lines, bodies, templates = {}, {}, {}

local function number_of()
  return tonumber(given.first) + math.random(0, tonumber(given.count) - 1)
end

local function read(name, into)
  for line in io.lines(name) do into[#into + 1] = line end
end

local function lookups()
  local found = {}
  for i = 1, tonumber(given.size) do found[i] = '"gb-coh:' .. number_of() .. '"' end
  return '{"entities":[' .. table.concat(found, ",") .. "]}"
end

-- A template is cut where the number of the event (1) and its organisation's (2) stand.
local function cut(line)
  local parts = {}
  for text, slot in line:gmatch("([^\1\2]*)([\1\2]?)") do
    parts[#parts + 1] = text
    if slot ~= "" then parts[#parts + 1] = slot == "\1" and 1 or 2 end
  end
  return parts
end

local function event(into)
  sent = sent + 1
  local id, whose = given.run .. sent, tostring(number_of())
  local template = templates[sent % #templates + 1]
  for i = 1, #template do
    local part = template[i]
    into[#into + 1] = part == 1 and id or part == 2 and whose or part
  end
end

local function events()
  local size, into = tonumber(given.size), {}
  if size == 1 then
    event(into)
  else
    for i = 1, size do
      into[#into + 1] = i == 1 and "[" or ","
      event(into)
    end
    into[#into + 1] = "]"
  end
  return table.concat(into)
end

function init(args)
  for _, arg in ipairs(args) do
    local name, value = arg:match("^(%w+)=(.*)$")
    given[name] = value
  end
  math.randomseed(tonumber(given.seed))
  path = given.path
  if given.token then headers["Authorization"] = "Bearer " .. given.token end
  if given.type then headers["Content-Type"] = given.type end
  if given.kind == "lines" then read(given.file, lines) end
  if given.kind == "lookups" then
    for i = 1, 64 do bodies[i] = wrk.format("POST", path, headers, lookups()) end
  end
  if given.kind == "events" then
    local raw = {}
    read(given.file, raw)
    for i, line in ipairs(raw) do templates[i] = cut(line) end
  end
end

function request()
  if given.kind == "numbers" then return wrk.format("GET", path .. number_of(), headers) end
  if given.kind == "lines" then return wrk.format("GET", lines[math.random(#lines)], headers) end
  if given.kind == "lookups" then return bodies[math.random(#bodies)] end
  return wrk.format("POST", path, headers, events())
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50_ms": %.3f, "p90_ms": %.3f, ' ..
      '"p99_ms": %.3f, "most_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50) / 1e3,
    latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
