-- Declares one upload after another, each of another name, and reports as JSON.
local number, prefix, size = 0, os.getenv("BENCH_PREFIX"), os.getenv("BENCH_SIZE")

function init()
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
end

function request()
  number = number + 1
  local body = string.format('{"name": "%s-%d", "size": %s}', prefix, number, size)
  return wrk.format(nil, nil, nil, body)
end

function done(summary)
  local errors = summary.errors
  local failures = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests": %d, "seconds": %f, "failures": %d}\n',
    summary.requests, summary.duration / 1e6, failures))
end
