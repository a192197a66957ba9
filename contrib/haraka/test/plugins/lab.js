'use strict'
// The world of the tests: nobody is asked for a name, all mail goes to one place on loopback, and
// addresses say what becomes of them.

exports.hook_lookup_rdns = (next) => next(OK, 'client.lab.test')

exports.hook_get_mx = function (next) {
    const [host, port] = this.config.get('lab_sink').split(':')
    next(OK, { priority: 0, exchange: host, port: Number(port) })
}

exports.hook_helo = refuseHelo
exports.hook_ehlo = refuseHelo

function refuseHelo(next, connection, name) {
    if (name === 'bad.test') return next(DENY, 'I do not know you')
    next()
}

exports.hook_mail = (next, connection, params) => {
    if (params[0].user === 'badsender') return next(DENY, 'no such sender')
    next()
}

exports.hook_rcpt = (next, connection, params) => {
    const { user, host } = params[0]
    if (user.startsWith('closed')) return next(DENY, 'that mailbox is closed')
    if (user.startsWith('busy')) return next(DENYSOFT, 'greylisted')
    if (host === 'here.test') return next(OK)
    next()
}

exports.hook_data_post = (next, connection) => {
    const subject = connection.transaction.header.get('Subject')
    if (subject.startsWith('refuse')) return next(DENY, ['5.7.1 no such', 'content here'])
    next()
}

// Mail that comes in is accepted here; mail that goes out is Haraka's own affair.
exports.hook_queue = (next) => next(OK, 'kept')
