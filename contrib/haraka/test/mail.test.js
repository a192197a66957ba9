'use strict'
// The promise, with a real Haraka: mail goes the way it goes without the plugin, whatever becomes
// of the plugin's files.

const assert = require('node:assert')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { describe, test } = require('node:test')

const { releases, temporary, startSink, Haraka, Client, until, linesIn } = require('./world')

const BURST = 500
/** Connections at once. */
const CLIENTS = 10
const LATEST = '3.3'

/** Throws wherever the plugin looks, and nowhere else. */
const SABOTAGE = `
const boom = { configurable: true, get() { throw new Error('sabotage') } }
exports.register = function () {
    this.register_hook('data_post', 'of_session', -100)
    this.register_hook('send_email', 'of_item', -100)
}
exports.of_session = (next, connection) => {
    Object.defineProperty(connection.notes, 'auth_user', boom)
    next()
}
exports.of_item = (next, hmail) => {
    Object.defineProperty(hmail.todo.notes, 'mailherald', boom)
    next()
}
`

const found = releases()
const skip = found.length === 0 && 'no Haraka is installed: `cargo xtask test`'

/** Runs a Haraka while `body` does. */
async function withHaraka(options, body) {
    const sink = await startSink()
    const haraka = new Haraka({ release: LATEST, sink: sink.address, ...options })
    try {
        await haraka.start()
        return await body(haraka, sink)
    } finally {
        await haraka.stop()
        sink.stop()
        haraka.remove()
    }
}

describe('every release', { concurrency: true }, () => {
    for (const release of found) everyKind(release)
})

function everyKind(release) {
    test(`Haraka ${release} tells what becomes of every mail`, { timeout: 120000 }, async () => {
        const dir = temporary()
        const ini = `dir=${dir}\nmetadata_headers=X-Order\n`
        await withHaraka({ release, ini }, async (haraka) => {
            await sendEveryKind(haraka.port)
            await until(() => linesIn(dir).filter((line) => line.ev === 'delivered').length === 2)
        })
        const lines = linesIn(dir)
        assert(lines[0].haraka.startsWith(release))
        assert.deepEqual(lines.map((line) => line.seq), lines.map((_, at) => at + 1))
        assert.deepEqual(stories(lines), EXPECTED)
        everyEventKnowsItsMessage(lines)
        fs.rmSync(dir, { recursive: true })
    })
}

async function sendEveryKind(port) {
    const user = await Client.connect(port)
    await user.hello('api-user')
    const headers = 'X-Order: 7\r\nX-Mailherald-Tag: news\r\n'
    const to = ['ok@far.test', 'nouser@far.test', 'flaky@far.test', 'closed@far.test']
    const answers = await user.send({ to, headers, subject: '=?utf-8?q?H=C3=A9llo?=' })
    assert.deepEqual(codes(answers), [250, 250, 250, 250, 550, 250], answers.join('\n'))
    assert.deepEqual(codes(await user.send({ to: ['ok@far.test'], subject: 'refuse' })), [250, 250, 550])
    await user.quit()

    const stranger = await Client.connect(port)
    await stranger.hello()
    const inbound = await stranger.send({ to: ['ok@here.test', 'busy@here.test', 'x@far.test'] })
    assert.deepEqual(codes(inbound), [250, 250, 450, 550, 250])
    await stranger.say('MAIL FROM:<badsender@x.test>')
    // It changes its mind: that is no refusal.
    await stranger.say('MAIL FROM:<ann@x.test>')
    await stranger.say('RCPT TO:<ok@here.test>')
    await stranger.say('RSET')
    await stranger.quit()

    const unknown = await Client.connect(port)
    await unknown.say('EHLO bad.test')
    await unknown.quit()
}

const EXPECTED = [
    'bounced nouser@far.test 550 5.1.1 User unknown',
    'deferred flaky@far.test 451 4.3.0 Try again later',
    'delivered flaky@far.test Ok: taken',
    'delivered ok@far.test Ok: taken',
    'hello',
    'queued ok@far.test,nouser@far.test,flaky@far.test outbound',
    'queued ok@here.test plugin',
    'refused  550 helo lab',
    'refused  550 mail lab',
    'refused busy@here.test 450 rcpt lab',
    'refused closed@far.test 550 rcpt lab',
    'refused ok@far.test 550 data_post lab',
    'refused x@far.test 550 rcpt CONT',
]

function stories(lines) {
    const story = (line) => {
        if (line.ev === 'queued') return `queued ${line.to} ${line.via}`
        if (line.ev !== 'refused') return [line.ev, line.to, line.response].filter(Boolean).join(' ')
        return `refused ${line.to} ${line.code} ${line.stage} ${line.plugin || line.verdict}`
    }
    return lines.map(story).sort()
}

function everyEventKnowsItsMessage(lines) {
    const outbound = lines.filter((line) => line.t && line.t === lines.find((l) => l.q).t)
    assert.equal(outbound.length, 6)
    for (const line of outbound) {
        assert.equal(line.subject, 'Héllo')
        assert.equal(line.user, 'api-user')
        assert.deepEqual([line.meta, line.tag, line.dir], [{ 'X-Order': '7' }, 'news', 'out'])
    }
}

function codes(answers) {
    return answers.map((answer) => Number(answer.slice(0, 3)))
}

test('nothing that befalls the plugin delays, changes or breaks mail', { skip, timeout: 300000 }, async (t) => {
    const without = await burst(t, 'without the plugin', {})
    const ratio = (result) => `${(result.ms / without.ms).toFixed(2)} times as long as without`
    const dir = temporary()
    const normal = await burst(t, 'with it', { ini: `dir=${dir}` }, () => linesIn(dir))
    t.diagnostic(ratio(normal))
    const queued = normal.kept.filter((line) => line.ev === 'queued')
    assert.equal(queued.length, BURST)
    assert.equal(new Set(queued.map((line) => line.t)).size, BURST)

    // Nobody can make a directory there, root included.
    const nowhere = await burst(t, 'without a directory', { ini: 'dir=/proc/nowhere' })
    t.diagnostic(ratio(nowhere))
    assert.equal(nowhere.said.match(/mailherald\] .*trying again/g).length, 1, nowhere.said)

    const sabotaged = await burst(t, 'while its hooks throw', {
        ini: `dir=${dir}`,
        plugins: { sabotage: SABOTAGE },
    })
    t.diagnostic(ratio(sabotaged))
    assert.equal(sabotaged.said.match(/told nothing: sabotage/g).length, 1)
    assert.equal(sabotaged.said.includes('Plugin mailherald failed'), false)

    const full = temporary()
    if (canMount(full)) {
        const filled = await burst(t, 'on a full disk', { ini: `dir=${full}/disk`, disk: `${full}/disk` })
        t.diagnostic(ratio(filled))
        assert.match(filled.said, /ENOSPC.*trying again/)
    } else {
        t.diagnostic('a full disk needs a mount, which is forbidden here')
    }
})

/** Sends 500 mails at once: how long they took, and what `keep` finds afterwards. */
async function burst(t, name, options, keep = () => []) {
    return withHaraka(options, async (haraka, sink) => {
        const begin = Date.now()
        const clients = Array.from({ length: CLIENTS }, (_, n) => sendMany(haraka.port, n))
        for (const answers of await Promise.all(clients)) {
            for (const codes of answers) assert.deepEqual(codes, [250, 250, 250])
        }
        const answered = Date.now() - begin
        await until(() => sink.seen.size === BURST, () => `${sink.seen.size} arrived\n${haraka.said}`)
        const ms = Date.now() - begin
        t.diagnostic(`${BURST} mails ${name}: answered after ${answered} ms, delivered after ${ms} ms`)
        await haraka.stop()
        return { ms, said: haraka.said, kept: keep() }
    })
}

async function sendMany(port, client) {
    const connection = await Client.connect(port)
    await connection.hello('api-user')
    const answers = []
    for (let n = 0; n < BURST / CLIENTS; n += 1) {
        answers.push(codes(await connection.send({ to: [`u${client}-${n}@far.test`] })))
    }
    await connection.quit()
    return answers
}

/** Whether a process can have a file system of its own, which ends with it. */
function canMount(dir) {
    fs.mkdirSync(path.join(dir, 'disk'))
    const mount = ['-m', 'mount', '-t', 'tmpfs', '-o', 'size=16k', 'none', path.join(dir, 'disk')]
    return spawnSync('unshare', mount, { stdio: 'ignore' }).status === 0
}
