'use strict'
// haraka-plugin-mailherald: tells mailherald what becomes of every mail.
//
// Each hook looks, puts a line into memory and lets Haraka go on at once: `next()` is called once,
// synchronously, without arguments and outside of everything that could throw. Files are written
// elsewhere (lib/writer.js). So whatever goes wrong here, mail goes on as if this were not there.

const path = require('node:path')

const attempts = require('./lib/attempts')
const { client, envelope, note } = require('./lib/mail')
const { accepted } = require('./lib/accepted')
const { Refusals } = require('./lib/refusals')
const { scan } = require('./lib/scan')
const { settings } = require('./lib/settings')
const { Sink } = require('./lib/sink')
const { sweep } = require('./lib/sweep')
const { version } = require('./package.json')

/** Before all others, so that no refusal of theirs hides a mail from us. */
const FIRST = -100

const OBSERVERS = {
    data: (told, connection) => told.refusals.sawData(connection),
    data_post: keepNote,
    queue_ok: tellQueued,
    deny: rememberDenial,
    reset_transaction: tellRefused,
    disconnect: tellTurnedAway,
    delivered: tellDelivered,
    deferred: tellDeferred,
    bounce: tellBounced,
}

exports.register = function () {
    try {
        this.told = begin(this)
        for (const hook of Object.keys(OBSERVERS)) this.register_hook(hook, `on_${hook}`, FIRST)
    } catch (error) {
        // Haraka would not start.
        this.logerror(`mailherald is told nothing: ${error.message}`)
    }
}

exports.shutdown = function () {
    if (this.told) this.told.sink.stop()
}

for (const [hook, observe] of Object.entries(OBSERVERS)) {
    exports[`on_${hook}`] = function (next, object, params) {
        try {
            observe(this.told, object, params)
        } catch (error) {
            count(this, hook, error)
        }
        next()
    }
}

function begin(plugin) {
    const set = settings(plugin.config.get('mailherald.ini'))
    const warn = (text) => plugin.logwarn(text)
    const sink = new Sink(set, { haraka: harakaVersion(), plugin: version }, warn)
    sink.start()
    sweep(set.dir, set.keepDays)
    process.once('exit', () => sink.stop())
    return { settings: set, sink, refusals: new Refusals() }
}

// An error of ours is worth one line in the log, and a number in the heartbeat.
function count(plugin, hook, error) {
    try {
        const { sink } = plugin.told
        sink.errors += 1
        if (sink.errors === 1) plugin.logerror(`hook ${hook} told nothing: ${error.message}`)
    } catch {
        // Nobody is left to tell.
    }
}

// bin/haraka makes the path of haraka.js the name of the process.
function harakaVersion() {
    try {
        return require(path.join(path.dirname(process.argv[1]), 'package.json')).version
    } catch {
        return undefined
    }
}

// The queue file keeps notes, so the events of the queue know the message after days and restarts.
function keepNote(told, connection) {
    const { transaction } = connection
    if (transaction) transaction.notes.mailherald = note(connection, told.settings)
}

function tellQueued(told, connection, reply) {
    const { transaction } = connection
    if (!transaction) return
    told.sink.tell('queued', { ...story(told, connection), ...accepted(transaction, reply) })
}

// Queue items and hook get_mx are refused as well, but there is no client whom it concerns.
function rememberDenial(told, object, params) {
    if (object && object.remote && Array.isArray(params)) told.refusals.denied(object, params)
}

function tellRefused(told, connection) {
    if (!connection.transaction) return
    const refused = told.refusals.ofTransaction(connection)
    if (refused.length === 0) return
    const common = story(told, connection)
    for (const refusal of refused) told.sink.tell('refused', { ...common, ...refusal })
}

function tellTurnedAway(told, connection) {
    for (const refusal of told.refusals.ofSession(connection)) {
        told.sink.tell('refused', { ...client(connection), ...refusal })
    }
}

/** All that is known of the message of a session. */
function story(told, connection) {
    const { transaction } = connection
    const noted = transaction.notes && transaction.notes.mailherald
    return {
        ...client(connection),
        ...envelope(transaction),
        ...(noted && { subject: noted.subject, mid: noted.mid, meta: noted.meta, tag: noted.tag }),
        size: transaction.data_bytes || undefined,
        scan: noted && scan(transaction),
    }
}

function tellDelivered(told, hmail, params) {
    tellUnlessOurOwn(told, 'delivered', [attempts.delivered(hmail, params)])
}

function tellDeferred(told, hmail, params) {
    tellUnlessOurOwn(told, 'deferred', attempts.deferred(hmail, params))
}

function tellBounced(told, hmail, error) {
    tellUnlessOurOwn(told, 'bounced', attempts.bounced(hmail, error))
}

// A report that Haraka sends itself has the null sender, and no notes.
function tellUnlessOurOwn(told, kind, entries) {
    for (const entry of entries) {
        if (entry.noted || entry.from) told.sink.tell(kind, entry)
    }
}
