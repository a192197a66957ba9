'use strict'
// config/mailherald.ini, with what is missing or absurd replaced.

const { text, number, NAME } = require('./text')

const MIB = 1024 * 1024
const HEADERS = 10

/** `ini` is what Haraka read of the file; nothing in it is taken on trust. */
function settings(ini) {
    const main = (ini && ini.main) || {}
    return {
        dir: text(main.dir, 4096) || '/var/log/haraka',
        maxBytes: atLeast(main.max_file_mb, 64, 1) * MIB,
        keep: atLeast(main.keep_files, 4, 1),
        keepDays: atLeast(main.keep_days, 14, 1),
        maxMemory: atLeast(main.max_memory_mb, 8, 1) * MIB,
        metadataHeaders: names(main.metadata_headers),
        tagHeader: text(main.tag_header, NAME) || 'X-Mailherald-Tag',
    }
}

function atLeast(value, fallback, least) {
    const given = number(value)
    return given === undefined ? fallback : Math.max(least, Math.floor(given))
}

function names(value) {
    const given = Array.isArray(value) ? value.join(',') : text(value, 4096) || ''
    const list = given.split(',').map((name) => name.trim())
    return list.filter(Boolean).slice(0, HEADERS)
}

module.exports = { settings }
