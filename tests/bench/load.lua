-- Arguments after `--`: a token, a file of paths of which each request takes one at random, and for other requests
-- than GET the method, the body's type and the body, in which RANDOM becomes a number.
local paths, headers = {}, {}
local token, file, method, body

function init(arguments)
  math.randomseed(1)
  token, file, method, headers["Content-Type"], body = unpack(arguments)
  headers["X-Auth-Token"] = token
  for path in io.lines(file) do
    table.insert(paths, method and path or wrk.format("GET", path, headers))
  end
end

function request()
  local path = paths[math.random(#paths)]
  return method and wrk.format(method, path, headers, (body:gsub("RANDOM", math.random(1e9)))) or path
end

-- Times in microseconds.
function done(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  local text = '\n{"requests": %d, "duration": %d, "p50": %d, "p99": %d, "failed": %d}\n'
  io.write(text:format(summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
