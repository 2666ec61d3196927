-- Asks Claviger about a request. For mod_lua; used by claviger.conf beside it. The connection is kept open, one for each thread.

local socket = require "socket"

local TIMEOUT = 2 -- seconds, for each step; a check takes well under a millisecond
local IDENTITY = {
    "X-Claviger-Account", "X-Claviger-Acting-Account", "X-Claviger-Credential", "X-Claviger-Kind",
    "X-Claviger-Scopes", "X-Claviger-Request-Id", "X-Claviger-Content-Digest",
}
local CREDENTIALS = { "Authorization", "Proxy-Authorization", "X-API-Key", "apikey" }
-- What is about this connection, this body or your application, and not about the check. The client does not choose what Claviger's log
-- calls the request.
local KEPT_BACK = {
    ["host"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["connection"] = true, ["keep-alive"] = true,
    ["upgrade"] = true, ["te"] = true, ["trailer"] = true, ["expect"] = true, ["cookie"] = true, ["x-request-id"] = true,
}
local CANNOT_SAY = '{"type":"about:blank","title":"Service Unavailable","status":503,"code":"verifier_unavailable",'
    .. '"detail":"The request could not be checked. Nothing is known against it; try again."}'

local kept = nil

local function question(r, address)
    local lines = {
        "GET /verify/forward HTTP/1.1",
        "Host: " .. address,
        "X-Forwarded-Method: " .. r.method,
        "X-Forwarded-Uri: " .. r.unparsed_uri,
        "X-Forwarded-Host: " .. (r.headers_in["Host"] or r.hostname or ""),
        "X-Forwarded-Proto: " .. (r.is_https and "https" or "http"),
        "X-Forwarded-For: " .. r.useragent_ip,
    }
    -- Apache has joined what was repeated by commas: two credentials are none
    for name, value in pairs(r:headers_in_table()) do
        local lower = name:lower()
        if not KEPT_BACK[lower] and not lower:find("^x%-forwarded%-") then
            lines[#lines + 1] = name .. ": " .. value
        end
    end
    return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- Status, fields in lower case, body; nil when the connection fails.
local function ask_on(connection, text)
    connection:settimeout(TIMEOUT)
    if not connection:send(text) then
        return nil
    end
    local first, why = connection:receive("*l")
    if not first then
        return nil, why
    end
    local status, fields = tonumber(first:match("^HTTP/1%.1 (%d%d%d)")), {}
    while true do
        local line = connection:receive("*l")
        if not line then
            return nil, "timeout"
        end
        if line == "" then
            break
        end
        local name, value = line:match("^([^:]+):%s*(.-)%s*$")
        if name then
            fields[name:lower()] = value
        end
    end
    local length = tonumber(fields["content-length"])
    -- to receive nothing, LuaSocket would wait for something
    local body = length == 0 and "" or length and connection:receive(length)
    if not status or not body then
        return nil, "timeout"
    end
    return { status = status, fields = fields, body = body }
end

local function ask(address, text)
    if kept then
        local connection = kept
        kept = nil
        local answer, why = ask_on(connection, text)
        if answer then
            kept = connection
            return answer
        end
        connection:close()
        -- Claviger closes what has been idle for long; one that answers too late is not asked twice
        if why == "timeout" then
            return nil
        end
    end
    local host, port = address:match("^(.*):(%d+)$")
    local connection = socket.tcp()
    connection:settimeout(1)
    if not connection:connect(host, tonumber(port)) then
        connection:close()
        return nil
    end
    connection:setoption("tcp-nodelay", true)
    local answer = ask_on(connection, text)
    if answer then
        kept = connection
    else
        connection:close()
    end
    return answer
end

local function refuse(r, status, fields, body)
    r.status = status
    r.content_type = "application/problem+json"
    r.err_headers_out["Cache-Control"] = "no-store"
    for _, name in ipairs({ "WWW-Authenticate", "Retry-After", "X-Claviger-Request-Id", "RateLimit", "RateLimit-Policy" }) do
        local value = fields[name:lower()]
        if value then
            r.err_headers_out[name] = value
        end
    end
    r:puts(body)
    return apache2.DONE
end

-- What goes no further, neither to Claviger nor to your API.
local function clean(r)
    for name, _ in pairs(r:headers_in_table()) do
        -- The client's own word on who it is. And X_Claviger_Account, X_API_Key: other fields to Apache, the same to many an application.
        if name:lower():find("^x%-claviger%-") or name:find("_", 1, true) then
            r.headers_in[name] = nil
        end
    end
    -- What the client names in Connection, Apache would take away after the check: the identity too. And no tunnel: nobody would check
    -- what goes through it.
    local words = "," .. (r.headers_in["Connection"] or ""):lower():gsub("%s", "") .. ","
    r.headers_in["Connection"] = words:find(",close,", 1, true) and "close" or nil
    r.headers_in["Upgrade"] = nil
    r.headers_in["HTTP2-Settings"] = nil
end

function check(r)
    if r.method == "CONNECT" then
        return 405
    end
    clean(r)
    local address = r.subprocess_env["CLAVIGER"]
    local answer = address and ask(address, question(r, address))
    if not answer or answer.status >= 500 then
        return refuse(r, 503, { ["retry-after"] = "1" }, CANNOT_SAY)
    end
    if answer.status ~= 200 then
        return refuse(r, answer.status, answer.fields, answer.body)
    end
    for _, name in ipairs(CREDENTIALS) do
        r.headers_in[name] = nil
    end
    for _, name in ipairs(IDENTITY) do
        local value = answer.fields[name:lower()]
        if not value then
            return refuse(r, 503, {}, CANNOT_SAY)
        end
        r.headers_in[name] = value
    end
    return apache2.OK
end
