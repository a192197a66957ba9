'use strict'
// Bounded values from objects that other people's code filled in.
//
// Whatever is in there, the answer is a short string or number, or `undefined`, which
// JSON.stringify leaves out.

const REPLY = 2048
const HEADER = 1024
const NAME = 256
const ADDRESS = 512

/** A string of at most `max` characters; nothing for what is empty or no text. */
function text(value, max) {
    if (typeof value === 'number' && Number.isFinite(value)) return String(value)
    if (typeof value !== 'string' || value === '') return undefined
    return wellFormed(value.length > max ? value.slice(0, max) : value)
}

// Half a surrogate pair is no character, and a cut may leave one. (Node 20 has the method.)
function wellFormed(value) {
    return value.toWellFormed()
}

/** A finite number, also one that is written in a string, as Haraka keeps reply codes. */
function number(value) {
    const read = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    return typeof read === 'number' && Number.isFinite(read) ? read : undefined
}

/**
 * What a plugin gave as the reason of a verdict: a string, a DSN (`{reply}`) or an array of lines.
 */
function reason(value) {
    if (Array.isArray(value)) return text(value.slice(0, 20).filter(isText).join(' '), REPLY)
    if (value && typeof value === 'object') return text(value.reply, REPLY)
    return text(value, REPLY)
}

function isText(value) {
    return typeof value === 'string'
}

/**
 * `user@host` of Haraka's Address, '' for the null sender. `address` is a getter in 3.3, and a
 * method up to 3.1.
 */
function address(value) {
    if (!value) return undefined
    const found = typeof value.address === 'function' ? value.address() : value.address
    if (found === null || found === '') return ''
    return text(found, ADDRESS)
}

/** Addresses of a list, without what is none. */
function addresses(list) {
    if (!Array.isArray(list)) return []
    return list.map(address).filter(Boolean)
}

module.exports = { text, number, reason, address, addresses, REPLY, HEADER, NAME, ADDRESS }
