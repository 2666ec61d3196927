-- Asks Claviger about a request, by HAProxy's own HTTP client (2.5 and newer). Used by haproxy.cfg beside it.

local VERIFIER = "http://" .. os.getenv("CLAVIGER") .. "/verify/forward"
local IDENTITY = {
    "x-claviger-account", "x-claviger-acting-account", "x-claviger-credential", "x-claviger-kind",
    "x-claviger-scopes", "x-claviger-request-id", "x-claviger-content-digest",
}
-- What is about this connection, this body or your application, and not about the check. The client does not choose what Claviger's log
-- calls the request.
local KEPT_BACK = {
    ["host"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["connection"] = true, ["keep-alive"] = true,
    ["upgrade"] = true, ["te"] = true, ["trailer"] = true, ["expect"] = true, ["cookie"] = true, ["x-request-id"] = true,
}
local CANNOT_SAY = '{"type":"about:blank","title":"Service Unavailable","status":503,"code":"verifier_unavailable",'
    .. '"detail":"The request could not be checked. Nothing is known against it; try again."}'

-- HAProxy counts values from 0, its client from 1.
local function fields_of(txn)
    local fields = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not KEPT_BACK[name] and name:sub(1, 12) ~= "x-forwarded-" then
            local all = {}
            for i = 0, #values do
                all[#all + 1] = values[i]
            end
            fields[name] = all
        end
    end
    fields["x-forwarded-method"] = { txn.sf:method() }
    fields["x-forwarded-uri"] = { txn.sf:pathq() }
    fields["x-forwarded-host"] = { txn.sf:req_hdr("host") }
    fields["x-forwarded-proto"] = { txn.sf:ssl_fc() == 1 and "https" or "http" }
    fields["x-forwarded-for"] = { txn.sf:src() }
    return fields
end

local function refuse(txn, status, headers, body)
    local reply = txn:reply()
    reply:set_status(status)
    reply:add_header("content-type", "application/problem+json")
    reply:add_header("cache-control", "no-store")
    for _, name in ipairs({ "www-authenticate", "retry-after", "x-claviger-request-id", "ratelimit", "ratelimit-policy" }) do
        if headers[name] then
            reply:add_header(name, headers[name][0])
        end
    end
    reply:set_body(body)
    txn:done(reply)
end

core.register_action("claviger", { "http-req" }, function(txn, require)
    local url = VERIFIER
    if require and require ~= "" then
        url = url .. "?require=" .. require
    end
    -- milliseconds, for each of the four tries that HAProxy makes; a check takes well under one
    local answer = core.httpclient():get { url = url, headers = fields_of(txn), timeout = 500 }
    local status = answer and answer.status or 0
    if status == 200 then
        for _, name in ipairs(IDENTITY) do
            local values = answer.headers[name]
            if not values then
                return refuse(txn, 503, {}, CANNOT_SAY)
            end
            txn.http:req_set_header(name, values[0])
        end
        txn:set_var("txn.claviger_allowed", "yes")
    elseif status >= 400 and status < 500 and answer.body and answer.body ~= "" then
        refuse(txn, status, answer.headers, answer.body)
    else
        refuse(txn, 503, { ["retry-after"] = { [0] = "1" } }, CANNOT_SAY)
    end
end, 0)
