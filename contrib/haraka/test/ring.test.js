'use strict'
const assert = require('node:assert')
const { test } = require('node:test')

const { Ring } = require('../lib/ring')

const describe = (lost) => `lost ${lost.n} ${lost.from}-${lost.to}\n`

test('lines come out as they went in, in batches', () => {
    const ring = new Ring(100, describe)
    for (const line of ['a\n', 'bb\n', 'ccc\n']) ring.push(line, 0)
    assert.equal(ring.take(5).toString(), 'a\nbb\n')
    assert.equal(ring.take(1).toString(), 'ccc\n', 'a line that is too long is not held back')
    assert.equal(ring.take(5), null)
    assert(ring.isEmpty())
})

test('a full ring drops the newest, and says so where they are missing', () => {
    const ring = new Ring(10, describe)
    const kept = [1, 2, 3, 4, 5, 6].map((at) => ring.push(`${at}2345\n`.slice(-5), at))
    assert.deepEqual(kept, [true, true, false, false, false, false])
    ring.take(100)
    assert(!ring.isEmpty(), 'the gap is still to be told')
    ring.push('end\n', 9)
    assert.equal(ring.take(100).toString(), 'lost 4 3-6\nend\n')
})

test('a gap is told when nothing comes after it', () => {
    const ring = new Ring(4, describe)
    ring.push('one\n', 1)
    ring.push('two\n', 2)
    assert.equal(ring.take(100).toString(), 'one\n')
    assert.equal(ring.take(100).toString(), 'lost 1 2-2\n')
    assert.equal(ring.take(100), null)
})

test('the room is counted in bytes', () => {
    const ring = new Ring(6, describe)
    assert(ring.push('éé\n', 1))
    assert(!ring.push('é\n', 2))
})
