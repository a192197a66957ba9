'use strict'
// What became of the recipients of a queue item: the hooks delivered, deferred and bounce.

const { text, number, addresses, REPLY, NAME } = require('./text')
const { item } = require('./mail')

/** Haraka's words where the recipients themselves hold the answers of the other side. */
const BY_RECIPIENT = /^(Too many failures \()?Some recipients/
const GAVE_UP = 'Too many failures'

/** Hook delivered: host, ip, response, delay, port, mode, accepted recipients, TLS, AUTH. */
function delivered(hmail, params) {
    const [host, ip, response, delay, port, mode, accepted, secured] = params
    return {
        ...item(hmail),
        to: addresses(accepted),
        attempt: (number(hmail.num_failures) || 0) + 1,
        mx: text(host, NAME),
        mx_ip: text(ip, NAME),
        mx_port: number(port),
        mode: text(mode, NAME),
        mx_tls: secured ? true : undefined,
        response: text(response, REPLY),
        delay: number(delay),
    }
}

/** Hook deferred: `{delay, err, fail_recips?, mx?}`; one entry for each answer of the other side. */
function deferred(hmail, params) {
    const common = {
        ...failed(hmail, params.err, params.mx),
        attempt: number(hmail.num_failures),
        wait: number(params.delay),
    }
    return byAnswer(common, params.fail_recips || recipients(hmail))
}

/** Hook bounce: an Error that carries what is known. */
function bounced(hmail, error) {
    const reason = String((error && error.message) || '')
    const failures = number(hmail.num_failures) || 0
    const common = {
        ...failed(hmail, reason, error && error.mx),
        // The failure that was one too many is counted already.
        attempt: reason.startsWith(GAVE_UP) ? failures : failures + 1,
    }
    const list = (error && (error.bounced_rcpt || error.deferred_rcpt)) || recipients(hmail)
    return byAnswer(common, list)
}

function recipients(hmail) {
    return (hmail.todo && hmail.todo.rcpt_to) || []
}

function failed(hmail, reason, mx) {
    return {
        ...item(hmail),
        reason: text(String(reason || ''), REPLY),
        mx: text(mx && (mx.from_dns || mx.exchange), NAME),
        mode: mx ? (mx.using_lmtp ? 'LMTP' : 'SMTP') : undefined,
    }
}

// `reason` of a recipient is the answer to its RCPT. It stays there for later attempts, so it
// counts only where Haraka says that recipients were answered one by one; and after a split it may
// be gone.
function byAnswer(common, list) {
    const groups = new Map()
    const isOwn = BY_RECIPIENT.test(common.reason || '')
    for (const recipient of list) {
        const response = isOwn ? text(recipient.reason, REPLY) : undefined
        if (!groups.has(response)) groups.set(response, [])
        groups.get(response).push(recipient)
    }
    const entry = ([response, group]) => ({ ...common, response, to: addresses(group) })
    return [...groups].map(entry)
}

module.exports = { delivered, deferred, bounced }
