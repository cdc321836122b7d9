-- Arguments after `--`: a token, and a file of paths of which each request takes one at random.
local requests = {}

function init(arguments)
  math.randomseed(1)
  for path in io.lines(arguments[2]) do
    table.insert(requests, wrk.format("GET", path, { ["X-Auth-Token"] = arguments[1] }))
  end
end

function request()
  return requests[math.random(#requests)]
end

-- Times in microseconds.
function done(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  local text = '\n{"requests": %d, "duration": %d, "p50": %d, "p99": %d, "failed": %d}\n'
  io.write(text:format(summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
