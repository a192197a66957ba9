-- miltertest(8): a mail server in a script. What a milter that takes reports must answer.
--
-- socket: where it listens, of the command line (-D)

local function must(answer, what)
    if answer ~= nil then error(what .. " failed: " .. answer) end
end

local function continues(conn, what)
    if mt.getreply(conn) ~= SMFIR_CONTINUE then error(what .. ": not told to go on") end
end

-- A complaint, known by its id.
local function report(id, rest)
    return "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n" ..
        "User-Agent: Test/1\r\nVersion: 1\r\nOriginal-Rcpt-To: <" .. id .. "@out.test>\r\n\r\n" ..
        "--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <" .. id .. "@here.test>\r\n\r\n" ..
        (rest or "Hello.\r\n") .. "--b--\r\n"
end

-- Without an offer, the one that Postfix makes: version 6, and everything.
local function connect(version, offer)
    local conn = mt.connect(socket)
    if conn == nil then error("nobody listens at " .. socket) end
    must(mt.negotiate(conn, version, offer, offer), "negotiation")
    must(mt.conninfo(conn, "client.test", "192.0.2.9"), "connection")
    must(mt.helo(conn, "client.test"), "HELO")
    return conn
end

-- Everything up to the end of the headers.
local function head(conn, id, kind)
    must(mt.mailfrom(conn, "<>"), "MAIL")
    must(mt.rcptto(conn, "<fbl@here.test>"), "RCPT")
    must(mt.header(conn, "Message-ID", "<" .. id .. "@good.test>"), "header")
    must(mt.header(conn, "Content-Type", kind), "header")
    must(mt.eoh(conn), "end of headers")
end

-- Pieces of a body; a server that is told that they are enough sends no more of them.
local function body(conn, text, size)
    for at = 1, #text, size do
        must(mt.bodystring(conn, text:sub(at, at + size - 1)), "body")
        if mt.getreply(conn) == SMFIR_SKIP then return at end
        continues(conn, "body")
    end
end

local function ends(conn)
    must(mt.eom(conn), "end of message")
    continues(conn, "end of message")
    if mt.eom_check(conn, MT_HDRADD) or mt.eom_check(conn, MT_BODYCHANGE) then
        error("the message was changed")
    end
end

local REPORT = "multipart/report; report-type=feedback-report; boundary=b"
local FOLDED = "multipart/report;\n\treport-type=feedback-report;\n\tboundary=\"b\""

local function session(name, version, offer)
    local conn = connect(version, offer)
    local function whole(what, kind, text, size)
        head(conn, name .. what, kind)
        continues(conn, "end of headers")
        local enough = body(conn, text, size)
        ends(conn)
        return enough
    end
    -- In pieces that end anywhere, two in one session, and a header in several lines.
    whole("pieces", REPORT, report(name .. "pieces"), 7)
    whole("folded", FOLDED, report(name .. "folded"), 65535)
    -- More than is kept.
    local long = report(name .. "long", ("All work and no play.\r\n"):rep(50000))
    local enough = whole("long", REPORT, long, 65535)
    if offer == nil and enough == nil then error("all of a long body was asked for") end
    -- One that is never complete, and one behind it.
    head(conn, name .. "aborted", REPORT)
    continues(conn, "end of headers")
    must(mt.bodystring(conn, report(name .. "aborted"):sub(1, 300)), "body")
    must(mt.abort(conn), "abort")
    whole("behind", REPORT, report(name .. "behind"), 65535)
    -- No report: nothing more of it is wanted.
    head(conn, name .. "none", "text/plain")
    if mt.getreply(conn) ~= SMFIR_ACCEPT then error("other mail is not let go") end
    mt.disconnect(conn)
end

-- As old servers offer it, which can leave out nothing, and as Postfix does.
session("old-", 2, 0)
session("new-")
