'use strict'
// Who refused what, told when it is certain.
//
// The hook `deny` runs before the answer, and another plugin may still cancel the refusal there. So
// it only remembers; what really happened shows in reset_transaction and disconnect.

const { text, number, reason, address, ADDRESS, NAME, REPLY } = require('./text')

/** Refused recipients of a transaction whose plugin is remembered. */
const REMEMBERED = 1000
const SESSION_HOOKS = new Set(['lookup_rdns', 'connect', 'helo', 'ehlo'])
const RECIPIENT_HOOKS = new Set(['rcpt', 'rcpt_ok'])

class Refusals {
    constructor() {
        this.sessions = new WeakMap()
    }

    session(connection) {
        let session = this.sessions.get(connection)
        if (!session) {
            session = { denial: null, atStart: null, recipients: new Map(), hadData: false }
            this.sessions.set(connection, session)
        }
        return session
    }

    /** Hook deny. `params`: retval, msg, plugin, function, params of the hook, hook. */
    denied(connection, params) {
        const [, msg, plugin, , args, hook] = params
        const session = this.session(connection)
        const denial = { hook: text(hook, NAME), plugin: text(plugin, NAME), reply: reason(msg) }
        session.denial = denial
        if (SESSION_HOOKS.has(hook)) session.atStart = denial
        if (hook === 'data') session.hadData = true
        if (RECIPIENT_HOOKS.has(hook)) rememberRecipient(session, args, denial)
    }

    /** Hook data: from here on a refusal is of the message and not of a recipient. */
    sawData(connection) {
        this.session(connection).hadData = true
    }

    /** Everything that was refused in the transaction that ends now. */
    ofTransaction(connection) {
        const session = this.session(connection)
        const refused = [
            ...ofSender(connection, session),
            ...ofRecipients(connection, session),
            ...ofMessage(connection, session),
        ]
        Object.assign(session, { denial: null, recipients: new Map(), hadData: false })
        return refused
    }

    /** What was refused to a client that did not get as far as a transaction. */
    ofSession(connection) {
        const { atStart } = this.session(connection)
        const last = reply(connection.last_reject)
        if (!atStart || !last || connection.tran_count > 0) return []
        const stage = atStart.hook === 'helo' || atStart.hook === 'ehlo' ? 'helo' : 'connect'
        return [{ stage, ...by(atStart), ...last, to: [] }]
    }
}

function rememberRecipient(session, args, denial) {
    if (session.recipients.size >= REMEMBERED) return
    const recipient = address(Array.isArray(args) ? args[0] : args)
    if (recipient) session.recipients.set(recipient.toLowerCase(), denial)
}

function ofSender(connection, session) {
    const result = results(connection, 'mail_from')
    if (!result || (result.action !== 'reject' && result.action !== 'tempfail')) return []
    const denial = session.denial && session.denial.hook === 'mail' ? session.denial : null
    return [{ stage: 'mail', ...by(denial), ...answer(connection, result.action), to: [] }]
}

function ofRecipients(connection, session) {
    const result = results(connection, 'rcpt_to')
    const list = result && Array.isArray(result.recipient) ? result.recipient : []
    const before = new Map()
    return list.filter((recipient) => recipient && isRefusal(recipient.action)).map((recipient) => {
        const to = text(recipient.address, ADDRESS)
        // The same one may be refused twice, and that is two facts.
        const nth = before.get(to) || undefined
        before.set(to, (nth || 0) + 1)
        const denial = session.recipients.get(String(to).toLowerCase())
        const code = number(recipient.code) ?? (recipient.action === 'reject' ? 550 : 450)
        // CONT: no plugin said a word, and nobody may relay here.
        const verdict = text(recipient.code, NAME)
        const said = reason(recipient.msg)
        const temporary = recipient.action === 'tempfail'
        const told = { verdict, code, reply: said, temporary, nth, to: to ? [to] : [] }
        return { stage: 'rcpt', ...by(denial), ...told }
    })
}

function isRefusal(action) {
    return action === 'reject' || action === 'tempfail'
}

// A refusal of the message is the last thing that was said: the connection resets the transaction
// right after its answer. A client that went away was told nothing of the kind.
function ofMessage(connection, session) {
    const { transaction } = connection
    const status = transaction.msg_status
    if (status === 'accepted') return []
    if (status === undefined && !session.hadData) return []
    const last = reply(connection.last_response)
    if (!last || last.code < 400 || last.reply === 'timeout') return []
    const stage = status === undefined ? 'data' : messageStage(session.denial)
    const denial = session.denial && hookOf(session.denial, stage) ? session.denial : null
    return [{ stage, ...by(denial), ...last }]
}

function messageStage(denial) {
    return denial && denial.hook === 'data_post' ? 'data_post' : 'queue'
}

function hookOf(denial, stage) {
    if (stage === 'queue') return denial.hook === 'queue' || denial.hook === 'queue_outbound'
    return denial.hook === stage || (stage === 'data' && denial.hook === 'max_data_exceeded')
}

function results(connection, name) {
    const { transaction } = connection
    return transaction.results && transaction.results.get(name)
}

function by(denial) {
    return denial ? { plugin: denial.plugin, hook: denial.hook } : {}
}

function answer(connection, action) {
    const temporary = action === 'tempfail'
    return reply(connection.last_response) || { code: temporary ? 450 : 550, temporary }
}

/** `550-a\r\n550 b\r\n` as a code and one line of text. */
function reply(said) {
    const whole = typeof said === 'string' ? said.slice(0, 2 * REPLY) : ''
    const code = number(whole.slice(0, 3))
    if (code === undefined || code < 200 || code > 599) return undefined
    const lines = whole.split(/\r?\n/).filter(Boolean).map((line) => line.replace(/^\d{3}[- ]/, ''))
    return { code, reply: text(lines.join(' '), REPLY), temporary: code < 500 }
}

module.exports = { Refusals, reply }
