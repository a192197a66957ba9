'use strict'
// The world of the tests, as a plugin: nobody is asked for a name, domains say where their mail goes,
// local parts what is refused, subjects what rspamd finds.

const http = require('node:http')

exports.register = function () {
    const { host, port } = this.config.get('rspamd.ini').main
    http.createServer(judge).listen(port, host)
}

// rspamd's protocol: the message comes as a body, the verdict goes back as JSON.
function judge(request, response) {
    let mail = ''
    request.on('data', (data) => (mail += data))
    request.on('end', () => response.end(JSON.stringify(verdict(mail))))
}

function verdict(mail) {
    const refuse = /^Subject: GTUBE/m.test(mail)
    const mark = /^Subject: SPAMMY/m.test(mail)
    return {
        is_skipped: false,
        action: refuse ? 'reject' : mark ? 'add header' : 'no action',
        score: refuse ? 21.5 : mark ? 8 : 0.5,
        required_score: 15,
        symbols: refuse || mark ? { GTUBE: { name: 'GTUBE', score: 8 } } : {},
        messages: {},
        urls: [],
        emails: [],
        milter: {},
    }
}

exports.hook_lookup_rdns = (next) => next(OK, 'client.lab.test')

exports.hook_get_mx = function (next, hmail, domain) {
    if (hmail.todo.notes.using_lmtp) return next()
    if (domain === 'nowhere.test') return next(OK, { priority: 0, exchange: '127.0.0.1', port: 9 })
    const { host, port } = this.config.get('lmtp.ini').main
    next(OK, { priority: 0, exchange: host, port })
}

exports.hook_rcpt = (next, connection, params) => {
    const { user, host } = params[0]
    if (user.startsWith('closed')) return next(DENY, 'that mailbox is closed')
    if (user.startsWith('busy')) return next(DENYSOFT, 'come again')
    const queue = { 'here.test': 'smtp_forward', 'box.test': 'lmtp' }[host]
    if (!queue) return next()
    connection.transaction.notes.set('queue.wants', queue)
    next(OK)
}

// So that nothing but Haraka's own queue takes it.
exports.hook_data = (next, connection) => {
    if (connection.relaying) connection.transaction.notes.set('queue.wants', 'outbound')
    next()
}
