-- Prints a round as one line of JSON. The request itself is given by -H and never changes, so no Lua runs while it is measured.
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        'json {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        e.status, e.connect + e.read + e.write + e.timeout))
end
