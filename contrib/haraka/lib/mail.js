'use strict'
// What Haraka's connections, transactions and queue items say of a mail, as plain bounded fields.
// Nothing here changes them.

const { text, number, address, addresses, HEADER, NAME, ADDRESS } = require('./text')

/** What notes may add to a queue file. */
const NOTE_BYTES = 2048
const NOTE_TEXT = 256

/** Of a session: who talks to us. */
function client(connection) {
    const remote = connection.remote || {}
    const hello = connection.hello || {}
    const tls = connection.tls || {}
    return {
        c: text(connection.uuid, NAME),
        dir: connection.relaying ? 'out' : 'in',
        user: user(connection),
        ip: text(remote.ip, NAME),
        rdns: text(remote.host, NAME),
        helo: text(hello.host, NAME),
        tls: tls.enabled ? true : undefined,
    }
}

// Every plugin that authenticates by auth_base leaves the name here; the password lies beside it
// and is never looked at.
function user(connection) {
    return text(connection.notes && connection.notes.auth_user, NAME)
}

/** Of a transaction: envelope and headers, as far as the client has come. */
function envelope(transaction) {
    return {
        t: text(transaction.uuid, NAME),
        from: address(transaction.mail_from),
        to: addresses(transaction.rcpt_to),
    }
}

/** What data_post keeps for the events of the queue: it lies in `transaction.notes`. */
function note(connection, settings) {
    const { transaction } = connection
    const whole = {
        v: 1,
        ...client(connection),
        t: text(transaction.uuid, NAME),
        subject: header(transaction, 'Subject', HEADER),
        mid: header(transaction, 'Message-ID', HEADER),
        meta: metadata(transaction, settings),
        tag: header(transaction, settings.tagHeader, NAME),
    }
    return size(whole) <= NOTE_BYTES ? whole : shortened(whole)
}

function shortened(whole) {
    const short = { ...whole }
    for (const key of ['subject', 'mid', 'helo', 'rdns', 'user']) {
        short[key] = text(whole[key], NOTE_TEXT)
    }
    if (size(short) > NOTE_BYTES) delete short.meta
    if (size(short) > NOTE_BYTES) short.subject = text(short.subject, 64)
    return short
}

function size(value) {
    return Buffer.byteLength(JSON.stringify(value))
}

function metadata(transaction, settings) {
    const found = {}
    for (const name of settings.metadataHeaders) {
        const value = header(transaction, name, NAME)
        if (value !== undefined) found[name] = value
    }
    return Object.keys(found).length > 0 ? found : undefined
}

// Duplicates of a header come joined by line feeds; the first is what readers show.
function header(transaction, name, max) {
    const value = transaction.header && transaction.header.get_decoded(name)
    return text(String(value || '').trim().split('\n', 1)[0].trim(), max)
}

/** Of a queue item: the notes of its message go with it, through retries and restarts. */
function item(hmail) {
    const todo = hmail.todo || {}
    const noted = (todo.notes && todo.notes.mailherald) || {}
    return {
        c: noted.c,
        t: noted.t,
        q: text(todo.uuid, NAME),
        dir: noted.dir,
        from: address(todo.mail_from),
        subject: noted.subject,
        mid: noted.mid,
        user: noted.user,
        ip: noted.ip,
        rdns: noted.rdns,
        helo: noted.helo,
        tls: noted.tls,
        meta: noted.meta,
        tag: noted.tag,
        file: text(hmail.filename, NAME),
        domain: text(todo.domain, ADDRESS),
        queued: number(todo.queue_time),
        // Haraka's own reports, and mail that plugins make, never went through data_post.
        noted: noted.v === 1,
    }
}

module.exports = { client, envelope, note, item, header }
