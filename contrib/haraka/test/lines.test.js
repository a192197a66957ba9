'use strict'
// What lines say of objects that no Haraka would hand out, and of more than fits.

const assert = require('node:assert')
const { test } = require('node:test')

const attempts = require('../lib/attempts')
const { note } = require('../lib/mail')
const { reply } = require('../lib/refusals')
const { settings } = require('../lib/settings')
const { Sink, RECIPIENTS } = require('../lib/sink')
const { address, reason, text } = require('../lib/text')
const { temporary } = require('./world')

function header(values) {
    return { get_decoded: (name) => values[name.toLowerCase()] }
}

function connection(values) {
    const transaction = { uuid: 'C.1', notes: {}, header: header(values) }
    return { uuid: 'C', transaction, remote: { ip: '192.0.2.1' }, notes: { auth_user: 'ann' } }
}

test('texts are bounded and whole characters', () => {
    assert.equal(text('abc', 2), 'ab')
    assert.equal(text('a😀', 2), 'a\ufffd')
    assert.equal(text('', 9), undefined)
    assert.equal(text({ toString: () => 'x' }, 9), undefined)
    assert.equal(reason(['a', {}, 'b']), 'a b')
    assert.equal(reason({ reply: '5.1.1 no' }), '5.1.1 no')
})

test('an address is read by every Haraka', () => {
    assert.equal(address({ address: 'a@b' }), 'a@b')
    assert.equal(address({ address: () => 'a@b' }), 'a@b')
    assert.equal(address({ address: '' }), '')
    assert.equal(address(undefined), undefined)
})

test('a reply of several lines is one line', () => {
    const said = reply('550-5.7.1 no such\r\n550 content\r\n')
    assert.deepEqual(said, { code: 550, reply: '5.7.1 no such content', temporary: false })
    assert.equal(reply('nonsense'), undefined)
    assert.equal(reply(undefined), undefined)
})

test('a note stays small, whatever the headers say', () => {
    const long = 'ü'.repeat(5000)
    const set = settings({ main: { metadata_headers: 'X-A, X-B' } })
    const noted = note(connection({ subject: long, 'message-id': long, 'x-a': long, 'x-b': '2' }), set)
    assert(Buffer.byteLength(JSON.stringify(noted)) <= 2048)
    assert.equal(noted.user, 'ann')
    const small = note(connection({ subject: 'Hi', 'x-a': '1', 'x-mailherald-tag': 'news' }), set)
    assert.deepEqual([small.subject, small.meta, small.tag], ['Hi', { 'X-A': '1' }, 'news'])
})

test('many recipients come in handfuls that belong together', () => {
    const sink = new Sink(settings({ main: { dir: temporary() } }), {}, () => {})
    const to = Array.from({ length: RECIPIENTS * 2 + 1 }, (_, n) => `u${n}@lab.test`)
    sink.tell('queued', { to, subject: 'Hi' })
    const lines = sink.ring.take(1 << 20).toString().trim().split('\n').map(JSON.parse)
    assert.deepEqual(lines.map((line) => [line.to.length, line.part, line.parts]), [
        [RECIPIENTS, 1, 3],
        [RECIPIENTS, 2, 3],
        [1, 3, 3],
    ])
    assert.equal(new Set(lines.map((line) => line.ev_id)).size, 1)
    assert.deepEqual(lines.flatMap((line) => line.to), to)
})

test('answers of an earlier attempt are not those of this one', () => {
    const recipient = { address: 'a@b', reason: '451 4.3.0 later', dsn_smtp_code: '451' }
    const hmail = { todo: { uuid: 'C.1.1', rcpt_to: [recipient], notes: {} }, num_failures: 2 }
    const [network] = attempts.deferred(hmail, { delay: 5, err: 'Tried all MXs' })
    assert.equal(network.response, undefined)
    assert.equal(network.attempt, 2)
    const [end] = attempts.bounced(hmail, new Error('Too many failures (Some recipients temp failed: <a@b>)'))
    assert.deepEqual([end.response, end.attempt], ['451 4.3.0 later', 2])
})

test('hostile objects throw here and nowhere else', () => {
    const plugin = require('../index')
    const hostile = new Proxy({}, { get: () => { throw new Error('boo') } })
    const said = []
    const told = { sink: { errors: 0 }, refusals: {}, settings: {} }
    for (const name of Object.keys(plugin).filter((name) => name.startsWith('on_'))) {
        const calls = []
        const self = { told, logerror: (text) => said.push(text) }
        plugin[name].call(self, (...args) => calls.push(args), hostile, hostile)
        assert.deepEqual(calls, [[]], `${name} goes on once, and without an opinion`)
    }
    assert.equal(said.length, 1)
    assert(told.sink.errors >= 8)
})
