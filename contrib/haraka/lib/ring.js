'use strict'
// Lines that wait for the writer, in bounded memory.
//
// When it is full the newest are dropped: what is in it already tells the beginnings of stories.
// How many were dropped, and when, becomes a line of its own.

class Ring {
    /** `describe({n, from, to})` makes the line that stands for what was dropped. */
    constructor(limit, describe) {
        this.limit = limit
        this.describe = describe
        this.lines = []
        this.first = 0
        this.bytes = 0
        this.lost = null
    }

    isEmpty() {
        return this.first === this.lines.length && !this.lost
    }

    /** Takes a line, which ends with a line feed, or drops and counts it. */
    push(line, at) {
        const size = Buffer.byteLength(line)
        // Once something was dropped, all is dropped until there is room again for a good deal:
        // one gap is told, and not one for every other line.
        const limit = this.lost ? this.limit / 2 : this.limit
        if (this.bytes + size > limit) return this.drop(at)
        if (this.lost) this.tellLost()
        this.add(line, size)
        return true
    }

    /** The oldest lines, together not more than `max` bytes unless the first alone is. */
    take(max) {
        if (this.first === this.lines.length && this.lost) this.tellLost()
        const begin = this.first
        let size = 0
        while (this.first < this.lines.length) {
            const next = Buffer.byteLength(this.lines[this.first])
            if (size > 0 && size + next > max) break
            size += next
            this.first += 1
        }
        if (size === 0) return null
        const taken = this.lines.slice(begin, this.first).join('')
        this.bytes -= size
        this.forget()
        return Buffer.from(taken)
    }

    add(line, size) {
        this.lines.push(line)
        this.bytes += size
    }

    drop(at) {
        if (!this.lost) this.lost = { n: 0, from: at, to: at }
        this.lost.n += 1
        this.lost.to = at
        return false
    }

    tellLost() {
        const line = this.describe(this.lost)
        this.lost = null
        this.add(line, Buffer.byteLength(line))
    }

    // An array has no cheap shift; what was taken goes when it is most of the array.
    forget() {
        if (this.first * 2 < this.lines.length) return
        this.lines = this.lines.slice(this.first)
        this.first = 0
    }
}

module.exports = { Ring }
