'use strict'
// The writer on a disk that does what a test wants.

const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')

const { Ring } = require('../lib/ring')
const { Writer, lineStart } = require('../lib/writer')
const { temporary, until } = require('./world')

/** A writer with a directory of its own; `faults[call]` may answer in place of the system. */
function bench(options = {}) {
    const dir = temporary()
    const file = path.join(dir, 'haraka-1.jsonl')
    const faults = {}
    const clock = { now: 1000 }
    const said = []
    const ring = new Ring(options.memory || 1 << 20, (lost) => `lost ${lost.n}\n`)
    const writer = new Writer(ring, {
        path: file,
        maxBytes: options.maxBytes || 1 << 20,
        keep: options.keep || 2,
        greet: () => 'hello\n',
        warn: (text) => said.push(text),
        fs: faulty(faults),
        now: () => clock.now,
    })
    const push = (line) => ring.push(line, 0) && writer.wake()
    const read = (name = file) => (fs.existsSync(name) ? fs.readFileSync(name, 'utf8') : '')
    const holds = (text, name) => until(() => read(name) === text, () => JSON.stringify(read(name)))
    // What comes while a system call is under way waits for the next second, which no test has.
    const tick = async () => {
        await idle(writer)
        clock.now += 61000
        writer.tick()
    }
    return { dir, file, faults, said, ring, writer, push, read, holds, tick }
}

function faulty(faults) {
    const through = (name) => (...args) => (faults[name] || fs[name])(...args)
    return new Proxy({}, { get: (_, name) => through(name) })
}

function error(code) {
    return Object.assign(new Error(`${code}: no`), { code })
}

const idle = (writer) => until(() => !writer.busy && !writer.isScheduled)

test('lines are appended after a greeting', async () => {
    const { push, holds } = bench()
    push('a\n')
    push('b\n')
    await holds('hello\na\nb\n')
})

test('half a line of a process that was killed stays alone', async () => {
    const { file, push, holds } = bench()
    fs.writeFileSync(file, '{"v":1,"ev')
    push('a\n')
    await holds('{"v":1,"ev\nhello\na\n')
})

test('a disk that is full costs nothing once it has room again', async () => {
    const { faults, said, writer, push, holds, tick } = bench()
    push('a\n')
    await holds('hello\na\n')
    faults.write = (fd, bytes, offset, length, at, done) => done(error('ENOSPC'))
    for (const line of ['b\n', 'c\n']) push(line)
    await until(() => said.length === 1)
    for (let times = 0; times < 5; times += 1) {
        await tick()
        await idle(writer)
    }
    assert.equal(said.length, 1, 'one word, however often it is tried')
    delete faults.write
    await tick()
    await holds('hello\na\nb\nc\n')
    assert.match(said[0], /ENOSPC.*trying again/)
    assert.match(said[1], /writing again/)
})

test('a line that was written by half is finished', async () => {
    const { faults, said, push, holds, tick } = bench()
    push('first\n')
    await holds('hello\nfirst\n')
    let calls = 0
    faults.write = (fd, bytes, offset, length, at, done) => {
        calls += 1
        if (calls > 1) return done(error('ENOSPC'))
        fs.write(fd, bytes, offset, 3, at, done)
    }
    push('second\n')
    await until(() => said.length === 1)
    delete faults.write
    await tick()
    await holds('hello\nfirst\nsecond\n')
})

test('the rest of a line begins again in another file', async () => {
    const { file, faults, said, push, holds, tick } = bench()
    push('first\n')
    await holds('hello\nfirst\n')
    let calls = 0
    faults.write = (fd, bytes, offset, length, at, done) => {
        calls += 1
        if (calls > 1) return done(error('EIO'))
        fs.write(fd, bytes, offset, 3, at, done)
    }
    push('second\n')
    await until(() => said.length === 1)
    delete faults.write
    fs.renameSync(file, `${file}.old`)
    await tick()
    await holds('hello\nsecond\n')
})

test('what does not fit into memory is counted', async () => {
    const { faults, said, ring, push, holds, tick } = bench({ memory: 20 })
    faults.open = (...args) => args.at(-1)(error('EACCES'))
    push('0123456789\n')
    await until(() => said.length === 1)
    for (let n = 0; n < 7; n += 1) push('abcdefghij\n')
    assert.equal(ring.bytes, 11)
    delete faults.open
    await tick()
    await holds('hello\n0123456789\nlost 7\n')
})

test('a file that somebody renames or deletes is left alone', async () => {
    const { file, writer, push, holds, tick } = bench()
    push('a\n')
    await holds('hello\na\n')
    fs.renameSync(file, `${file}.0`)
    await tick()
    await idle(writer)
    push('b\n')
    await holds('hello\nb\n')
    await holds('hello\na\n', `${file}.0`)
    fs.unlinkSync(file)
    await tick()
    await idle(writer)
    push('c\n')
    await holds('hello\nc\n')
})

test('a large file is renamed, and so many are kept', async () => {
    const { file, push, holds, read } = bench({ maxBytes: 8, keep: 2 })
    for (const line of ['a\n', 'b\n', 'c\n', 'd\n']) {
        push(line)
        await until(() => read().endsWith(line) || read(`${file}.1`).endsWith(line))
    }
    await holds('hello\nd\n', `${file}.1`)
    await holds('hello\nc\n', `${file}.2`)
    assert(!fs.existsSync(`${file}.3`))
})

test('a file that cannot be renamed grows on', async () => {
    const { faults, said, push, holds } = bench({ maxBytes: 8 })
    faults.rename = (from, to, done) => done(error('EPERM'))
    push('a\n')
    await holds('hello\na\n')
    push('b\n')
    await holds('hello\na\nb\n')
    assert.match(said.join(), /EPERM.*grows on/)
})

test('the last words are written although a write never comes back', async () => {
    const { faults, writer, push, read } = bench()
    push('a\n')
    await until(() => read() === 'hello\na\n')
    faults.write = () => {}
    push('b\n')
    await until(() => writer.busy)
    push('c\n')
    writer.flushSync()
    assert.equal(read(), 'hello\na\n\nb\nc\n')
})

test('last words that cannot be written hold up nothing', () => {
    const { faults, said, writer, ring } = bench()
    ring.push('a\n', 0)
    faults.openSync = () => {
        throw error('EROFS')
    }
    writer.flushSync()
    assert.match(said.join(), /EROFS.*lost/)
})

test('a line begins after the line feed before it', () => {
    const bytes = Buffer.from('ab\ncd\n')
    assert.deepEqual([0, 1, 3, 4, 6].map((offset) => lineStart(bytes, offset)), [0, 0, 3, 3, 6])
})
