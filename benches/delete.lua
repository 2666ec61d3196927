-- Deletes what the file $PATHS names, a path in each line, each once, through the nodes $TARGETS (URLs, one for each thread), and counts the
-- answers: 204 each, true everywhere.
local threads = {}

function setup(thread)
    local targets = {}
    for host, port in string.gmatch(os.getenv("TARGETS"), "//([^:/%s]+):(%d+)") do targets[#targets + 1] = { host, port } end
    local target = targets[#threads % #targets + 1]
    thread.addr = wrk.lookup(target[1], target[2])[1]
    thread:set("own", #threads)
    threads[#threads + 1] = thread
end

function init()
    paths, at, deleted, refused = {}, 0, 0, 0
    local line, all = 0, tonumber(os.getenv("THREADS"))
    for path in io.lines(os.getenv("PATHS")) do
        if line % all == own then paths[#paths + 1] = path end
        line = line + 1
    end
end

function request()
    at = at + 1
    return wrk.format("DELETE", paths[at] or "/exhausted")
end

function response(status)
    if status == 204 then deleted = deleted + 1 else refused = refused + 1 end
    if at >= #paths then wrk.thread:stop() end
end

function done(summary, latency)
    local deleted, refused = 0, 0
    for _, thread in ipairs(threads) do
        deleted, refused = deleted + thread:get("deleted"), refused + thread:get("refused")
    end
    local seconds = summary.duration / 1e6
    io.write(string.format("result: %d a second (%d answers 204, %d others; p50 %.1f ms, p99 %.1f ms)\n", deleted / seconds, deleted, refused,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
