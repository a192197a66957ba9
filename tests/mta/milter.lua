-- miltertest(8): a mail server in a script. What every milter of ours must answer.
--
-- socket: where it listens, of the command line (-D)

local function must(answer, what)
    if answer ~= nil then error(what .. " failed: " .. answer) end
end

local function continues(conn, what)
    if mt.getreply(conn) ~= SMFIR_CONTINUE then error(what .. ": not told to go on") end
end

-- A server that can leave out nothing has everything answered, and nothing refused.
local conn = mt.connect(socket)
if conn == nil then error("nobody listens at " .. socket) end
must(mt.negotiate(conn, 2, 0, 0), "negotiation")
must(mt.conninfo(conn, "client.test", "192.0.2.9"), "connection")
continues(conn, "connection")
must(mt.helo(conn, "client.test"), "HELO")
continues(conn, "HELO")
for number = 1, 2 do
    mt.macro(conn, SMFIC_MAIL, "i", "ABCDEF" .. number)
    must(mt.mailfrom(conn, "<bob@sender.test>"), "MAIL")
    continues(conn, "MAIL")
    must(mt.rcptto(conn, "<ann@here.test>", "NOTIFY=NEVER"), "RCPT")
    continues(conn, "RCPT")
    must(mt.header(conn, "Subject", "message " .. number), "header")
    continues(conn, "header")
    must(mt.eoh(conn), "end of headers")
    continues(conn, "end of headers")
    must(mt.bodystring(conn, "Hello.\r\n"), "body")
    continues(conn, "body")
    must(mt.eom(conn), "end of message")
    continues(conn, "end of message")
    if mt.eom_check(conn, MT_HDRADD) or mt.eom_check(conn, MT_BODYCHANGE) then
        error("the message was changed")
    end
end
mt.disconnect(conn)
