'use strict'
// The one who writes: takes lines from the ring and appends them to a file, one system call at a
// time, in node's thread pool. Nobody waits for it, and whatever goes wrong is its own affair.
//
// - Somebody may rename or delete the file: a look at the path once a second finds out.
// - A file that is large enough is renamed by the writer itself.
// - What could not be written is kept and tried again, after 1 to 60 seconds.
// - A process that was killed may have left half a line; a line feed goes before ours.

const nodeFs = require('node:fs')
const path = require('node:path')

const BATCH = 64 * 1024
const FIRST_WAIT = 1000
const LONGEST_WAIT = 60 * 1000
const LOOK_EVERY = 1000
/** What `flushSync` may take. */
const LAST_WORDS = 1000

class Writer {
    /**
     * `options`: `path`; `maxBytes` and `keep` of renamed files; `greet()`, the first line of a
     * file; `warn(text)`; and for tests `fs` and `now`.
     */
    constructor(ring, options) {
        this.ring = ring
        this.path = options.path
        this.maxBytes = options.maxBytes
        this.rotateAt = options.maxBytes
        this.keep = options.keep
        this.greet = options.greet
        this.warn = options.warn
        this.fs = options.fs || nodeFs
        this.now = options.now || Date.now
        this.fd = null
        this.inode = null
        this.size = 0
        /** Bytes that were taken from the ring; those before `offset` are written. */
        this.pending = null
        this.offset = 0
        /** A system call is under way. */
        this.busy = false
        this.isScheduled = false
        this.mustLook = false
        this.notBefore = 0
        this.wait = FIRST_WAIT
        this.isFailing = false
        this.timer = null
    }

    /** Looks after the file from now on. The timer keeps no process alive. */
    start() {
        this.timer = setInterval(() => this.tick(), LOOK_EVERY)
        this.timer.unref()
        this.wake()
    }

    tick() {
        this.mustLook = this.fd !== null
        this.wake()
    }

    /** There may be something to do. Returns at once; the work begins after the caller's. */
    wake() {
        if (this.busy || this.isScheduled) return
        this.isScheduled = true
        setImmediate(() => {
            this.isScheduled = false
            this.turn()
        })
    }

    // One step; each ends with the next one, or with nothing to do.
    turn() {
        if (this.busy || this.now() < this.notBefore) return
        if (this.fd === null) return this.open()
        if (this.mustLook) return this.look()
        if (this.size >= this.rotateAt) return this.rotate()
        if (this.hasWork()) this.write()
    }

    hasWork() {
        return this.pending !== null || !this.ring.isEmpty()
    }

    // A system call whose answer comes back here. `done` gets it only when there was no error.
    call(name, args, done) {
        this.busy = true
        this.fs[name](...args, (error, answer) => {
            this.busy = false
            if (error) this.fail(error)
            else done(answer)
        })
    }

    // Makes the last directory of the path only: node's `recursive` never ends on file systems where
    // nothing can be made.
    open() {
        this.busy = true
        this.fs.mkdir(path.dirname(this.path), (error) => {
            this.busy = false
            if (error && error.code !== 'EEXIST') this.fail(error)
            else this.openFile()
        })
    }

    openFile() {
        this.call('open', [this.path, 'a', 0o640], (fd) => {
            this.fd = fd
            this.call('fstat', [fd], (stat) => this.opened(stat))
        })
    }

    opened(stat) {
        // Another file may have got the number of one that was deleted.
        if (stat.ino !== this.inode || stat.size === 0) this.beginFile(stat)
        this.inode = stat.ino
        this.size = stat.size
        this.mustLook = false
        this.turn()
    }

    // The rest of a line is no use in another file: that gets the whole of it.
    beginFile(stat) {
        const rest = this.pending ? this.pending.subarray(lineStart(this.pending, this.offset)) : ''
        const greeting = (stat.size > 0 ? '\n' : '') + this.greet()
        this.pending = Buffer.concat([Buffer.from(greeting), Buffer.from(rest)])
        this.offset = 0
        this.rotateAt = this.maxBytes
    }

    write() {
        if (this.pending === null) this.take()
        if (this.pending === null) return
        const mine = this.pending
        const length = mine.length - this.offset
        this.call('write', [this.fd, mine, this.offset, length, null], (count) => {
            this.recovered()
            // `flushSync` may have taken it away meanwhile.
            if (this.pending === mine) this.wrote(count)
            this.turn()
        })
    }

    take() {
        this.pending = this.ring.take(BATCH)
        this.offset = 0
    }

    wrote(count) {
        this.size += count
        this.offset += count
        if (this.offset >= this.pending.length) this.pending = null
    }

    // The file may have been renamed or deleted by somebody else.
    look() {
        this.mustLook = false
        this.busy = true
        this.fs.stat(this.path, (error, stat) => {
            this.busy = false
            if (error && error.code !== 'ENOENT') return this.fail(error)
            if (error || stat.ino !== this.inode) return this.close(() => this.turn())
            // Somebody who truncates the file does not make it large for us.
            this.size = stat.size
            this.turn()
        })
    }

    rotate() {
        this.close(() => this.shift(this.keep))
    }

    // .3 becomes .4, then .2 becomes .3, … and the file itself becomes .1.
    shift(to) {
        if (to < 1) return this.turn()
        const from = to === 1 ? this.path : `${this.path}.${to - 1}`
        this.busy = true
        this.fs.rename(from, `${this.path}.${to}`, (error) => {
            this.busy = false
            if (error && error.code !== 'ENOENT') return this.growOn(error)
            this.shift(to - 1)
        })
    }

    // A file that cannot be renamed is better than no file.
    growOn(error) {
        this.warn(`${this.path}: ${error.message}; it grows on`)
        this.rotateAt = this.size + this.maxBytes
        this.turn()
    }

    close(then) {
        const fd = this.fd
        this.fd = null
        this.busy = true
        // What close(2) answers changes nothing: the descriptor is gone either way.
        this.fs.close(fd, () => {
            this.busy = false
            then()
        })
    }

    fail(error) {
        if (!this.isFailing) this.warn(`${this.path}: ${error.message}; trying again`)
        this.isFailing = true
        this.notBefore = this.now() + this.wait
        this.wait = Math.min(this.wait * 2, LONGEST_WAIT)
        if (this.fd !== null) this.close(() => {})
    }

    recovered() {
        if (!this.isFailing) return
        this.isFailing = false
        this.wait = FIRST_WAIT
        this.warn(`${this.path}: writing again`)
    }

    /**
     * The last words of a process that ends: blocks for at most a second. Lines whose writing is
     * under way are written once more, since nobody will hear how that ended.
     */
    flushSync() {
        if (!this.hasWork()) return
        const deadline = this.now() + LAST_WORDS
        try {
            const fd = this.fs.openSync(this.path, 'a', 0o640)
            this.startOver()
            while (this.hasWork() && this.now() < deadline) this.writeSync(fd)
            this.fs.closeSync(fd)
        } catch (error) {
            this.warn(`${this.path}: ${error.message}; the last events are lost`)
        }
    }

    startOver() {
        if (this.pending === null || (this.offset === 0 && !this.busy)) return
        const line = lineStart(this.pending, this.offset)
        this.pending = Buffer.concat([Buffer.from('\n'), this.pending.subarray(line)])
        this.offset = 0
    }

    writeSync(fd) {
        if (this.pending === null) this.take()
        const rest = this.pending.subarray(this.offset)
        this.wrote(this.fs.writeSync(fd, rest, 0, rest.length))
    }
}

/** Where the line begins that `offset` lies in. */
function lineStart(bytes, offset) {
    return offset === 0 ? 0 : bytes.lastIndexOf(0x0a, offset - 1) + 1
}

module.exports = { Writer, lineStart }
