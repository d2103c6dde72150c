-- Asks with one token after another, from the file that BENCH_TOKENS names, and reports as JSON.
local requests, number = {}, 0

function init()
  for token in io.lines(os.getenv("BENCH_TOKENS")) do
    requests[#requests + 1] = wrk.format("GET", nil, { Authorization = "Bearer " .. token })
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end

function done(summary)
  local errors = summary.errors
  local failures = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests": %d, "seconds": %f, "failures": %d}\n',
    summary.requests, summary.duration / 1e6, failures))
end
