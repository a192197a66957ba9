'use strict'
// From an event to a line in the ring: what every line has, recipients in handfuls, and the lines
// that speak of the plugin itself.

const os = require('node:os')
const path = require('node:path')

const { Ring } = require('./ring')
const { Writer } = require('./writer')

const VERSION = 1
/** Recipients of one line; the others follow in lines with the same `ev_id`. */
const RECIPIENTS = 200
const HEARTBEAT = 60 * 1000

class Sink {
    /** `settings` as in settings.js; `about`: versions for the greeting; `warn(text)`. */
    constructor(settings, about, warn, fs) {
        this.about = about
        this.host = os.hostname()
        this.seq = 0
        this.errors = 0
        this.ring = new Ring(settings.maxMemory, (lost) => this.line('lost', lost))
        this.writer = new Writer(this.ring, {
            path: path.join(settings.dir, `haraka-${process.pid}.jsonl`),
            maxBytes: settings.maxBytes,
            keep: settings.keep,
            greet: () => this.line('hello', this.about),
            warn,
            fs,
        })
    }

    start() {
        this.writer.start()
        this.timer = setInterval(() => this.tell('alive', { errors: this.errors }), HEARTBEAT)
        this.timer.unref()
    }

    /** Writes down an event, by and by. Without recipients it is one line. */
    tell(kind, fields) {
        const to = fields.to || []
        const parts = Math.max(1, Math.ceil(to.length / RECIPIENTS))
        const id = parts > 1 ? this.seq + 1 : undefined
        for (let part = 0; part < parts; part += 1) {
            this.push(kind, parts > 1 ? this.part(fields, part, parts, id) : fields)
        }
        this.writer.wake()
    }

    part(fields, part, parts, id) {
        const to = fields.to.slice(part * RECIPIENTS, (part + 1) * RECIPIENTS)
        return { ...fields, to, ev_id: id, part: part + 1, parts }
    }

    push(kind, fields) {
        this.ring.push(this.line(kind, fields), Date.now())
    }

    line(kind, fields) {
        this.seq += 1
        const head = { v: VERSION, ev: kind, ts: Date.now(), seq: this.seq, pid: process.pid }
        return JSON.stringify({ ...head, host: this.host, ...fields }) + '\n'
    }

    /** The process ends. */
    stop() {
        this.writer.flushSync()
    }
}

module.exports = { Sink, RECIPIENTS }
