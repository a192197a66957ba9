'use strict'
// What the filters that Haraka's users run found out, from the results that their plugins keep with
// the transaction.

const { text, number, NAME } = require('./text')

const RULES = 50

/** What is known of a message, by filter; nothing when no filter spoke. */
function scan(transaction) {
    const get = (name) => (transaction.results && transaction.results.get(name)) || undefined
    const found = {
        spamassassin: spamassassin(get('spamassassin')),
        rspamd: rspamd(get('rspamd')),
        clamd: clamd(get('clamd')),
        karma: karma(get('karma')),
    }
    return Object.values(found).some(Boolean) ? found : undefined
}

function spamassassin(result) {
    if (!result || number(result.score) === undefined) return undefined
    const tests = typeof result.tests === 'string' ? result.tests.split(',') : []
    return {
        score: number(result.score),
        required: number(result.required) ?? number(result.reqd),
        rules: rules(tests.map((test) => test.trim())),
    }
}

// The log has no symbols; this is the only place that tells the rules.
function rspamd(result) {
    if (!result || typeof result.action !== 'string') return undefined
    return {
        action: text(result.action, NAME),
        score: number(result.score),
        required: number(result.required_score),
        rules: rules(Object.keys(result.symbols || {})),
    }
}

function clamd(result) {
    if (!result || !Array.isArray(result.fail) || result.fail.length === 0) return undefined
    return { found: rules(result.fail) }
}

function karma(result) {
    const score = number(result && result.score)
    return score === undefined ? undefined : { score }
}

function rules(names) {
    return names.slice(0, RULES).map((name) => text(name, NAME)).filter(Boolean)
}

module.exports = { scan }
