'use strict'
// Where a message went that Haraka said 250 to.

const { text, REPLY } = require('./text')

/** Queue plugins that hand a message to another server while the client waits. */
const FORWARDERS = ['smtp_forward', 'smtp_proxy', 'smtp_bridge', 'qmail-queue', 'deliver']

/**
 * `via`: `outbound`, Haraka's own queue (LMTP as well); `forward`, another server has it;
 * `discard`, a plugin was told to drop it; `plugin`, some other plugin took it.
 */
function accepted(transaction, reply) {
    return { via: via(transaction), response: text(reply, REPLY) }
}

function via(transaction) {
    if (passed(transaction, 'outbound')) return 'outbound'
    if (FORWARDERS.some((name) => passed(transaction, `queue/${name}`))) return 'forward'
    if (transaction.notes && transaction.notes.discard) return 'discard'
    return 'plugin'
}

function passed(transaction, name) {
    const result = transaction.results && transaction.results.get(name)
    return Boolean(result && Array.isArray(result.pass) && result.pass.length > 0)
}

module.exports = { accepted }
