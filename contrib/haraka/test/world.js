'use strict'
// A real Haraka on loopback, a place that its mail goes to, and a client that sends mail. Used by
// the tests that say what the plugin does to mail: nothing.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const readline = require('node:readline')

const LIMIT = 60 * 1000
const RELEASES = ['2.8', '3.0', '3.3']

/** Where `cargo xtask test` installs Haraka, by the beginning of its version. */
function installed(release) {
    const base = process.env.MAILHERALD_HARAKAS
    const modules = base && path.join(base, release, 'node_modules')
    const name = ['haraka', 'Haraka'].find((dir) => modules && fs.existsSync(path.join(modules, dir)))
    return name && path.join(modules, name)
}

/** The releases that are installed; when none has to be there, that is said. */
function releases() {
    const found = RELEASES.filter(installed)
    if (found.length < RELEASES.length && process.env.CI) {
        throw new Error(`only Haraka ${found} is installed in ${process.env.MAILHERALD_HARAKAS}`)
    }
    return found
}

/** A directory of its own for one test. */
function temporary() {
    return fs.mkdtempSync(path.join(os.tmpdir(), 'haraka-plugin-'))
}

/** An SMTP server that takes everything, `nouser…` and the first `flaky…` excepted. */
async function startSink() {
    const seen = new Set()
    const server = net.createServer((socket) => converse(socket, seen))
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    return { address: `127.0.0.1:${server.address().port}`, seen, stop: () => server.close() }
}

function converse(socket, seen) {
    let inData = false
    const say = (line) => socket.write(`${line}\r\n`)
    say('220 sink.test ESMTP')
    linesOf(socket, (line) => {
        if (inData) {
            if (line !== '.') return
            inData = false
            return say('250 2.0.0 Ok: taken')
        }
        const [verb] = line.toUpperCase().split(' ', 1)
        if (verb === 'RCPT') return say(recipient(line, seen))
        if (verb === 'DATA') inData = true
        say(verb === 'DATA' ? '354 go on' : verb === 'QUIT' ? '221 bye' : '250 2.0.0 Ok')
    })
}

// A connection that breaks off is the other side's affair; readline hands its errors on.
function linesOf(socket, take) {
    socket.on('error', () => {})
    readline.createInterface({ input: socket }).on('line', take).on('error', () => {})
}

function recipient(line, seen) {
    const [, address] = /<(.*)>/.exec(line)
    const isNew = !seen.has(address)
    seen.add(address)
    if (address.startsWith('nouser')) return '550 5.1.1 User unknown'
    if (address.startsWith('flaky') && isNew) return '451 4.3.0 Try again later'
    return '250 2.1.5 Ok'
}

class Haraka {
    /**
     * `options`: `release`, `sink`; `ini`, the lines of mailherald.ini, or null to run without the
     * plugin; `disk`; `plugins`, more of them by name and source.
     */
    constructor(options) {
        this.options = options
        this.home = temporary()
        this.code = installed(options.release)
        for (const [name, text] of Object.entries(this.files())) {
            const file = path.join(this.home, name)
            fs.mkdirSync(path.dirname(file), { recursive: true })
            fs.writeFileSync(file, text)
        }
        if (options.ini) this.link()
    }

    files() {
        const { ini, sink, plugins = {} } = this.options
        const ours = ini ? ['mailherald'] : []
        const names = ['lab', 'auth/flat_file', ...Object.keys(plugins), ...ours]
        const sources = Object.entries(plugins).map(([name, text]) => [`plugins/${name}.js`, text])
        return {
            'plugins/lab.js': fs.readFileSync(path.join(__dirname, 'plugins/lab.js')),
            ...Object.fromEntries(sources),
            'config/plugins': names.join('\n'),
            'config/log.ini': '[main]\nlevel=info\n',
            'config/me': 'mta.lab.test',
            'config/lab_sink': sink,
            'config/outbound.ini': 'temp_fail_intervals=5s,5s\n',
            ...this.ofRelease('config/outbound.bounce_message'),
            ...this.ofRelease('config/connection.ini'),
            'config/auth_flat_file.ini': '[core]\nmethods=PLAIN\n[users]\napi-user=secret\n',
            'config/mailherald.ini': ini || '',
        }
    }

    // Some releases do not fall back on their own file when there is none.
    ofRelease(name) {
        const file = path.join(this.code, name)
        return fs.existsSync(file) ? { [name]: fs.readFileSync(file) } : {}
    }

    // The plugin is where npm would put it.
    link() {
        const modules = path.join(this.home, 'node_modules')
        fs.mkdirSync(modules)
        fs.symlinkSync(path.join(__dirname, '..'), path.join(modules, 'haraka-plugin-mailherald'))
    }

    /** Starts it, and waits until it listens. */
    async start() {
        this.port = await freePort()
        const smtp = path.join(this.home, 'config/smtp.ini')
        fs.writeFileSync(smtp, `listen=127.0.0.1:${this.port}\nnodes=0\n`)
        this.said = ''
        const [program, ...args] = this.command()
        this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
        for (const stream of [this.child.stdout, this.child.stderr]) {
            stream.on('data', (data) => (this.said += data))
        }
        this.ended = new Promise((resolve) => this.child.once('exit', resolve))
        await until(() => this.listens(), () => this.said)
    }

    // With `disk`, a directory becomes a very small disk that only this Haraka sees.
    command() {
        const plain = [process.execPath, `${this.code}/bin/haraka`, '-c', this.home]
        const { disk } = this.options
        if (!disk) return plain
        const script = `mount -t tmpfs -o size=16k none "$0" && exec "$@"`
        return ['unshare', '-m', 'sh', '-c', script, disk, ...plain]
    }

    listens() {
        if (this.child.exitCode !== null) throw new Error(`Haraka ended:\n${this.said}`)
        // Until its queue is loaded, it takes the file of a mail that comes for one that was left over.
        return ['Listening on', 'files in my temp fail queue'].every((it) => this.said.includes(it))
    }

    async stop() {
        this.child.kill('SIGINT')
        const last = setTimeout(() => this.child.kill('SIGKILL'), 10000)
        await this.ended
        clearTimeout(last)
    }

    remove() {
        fs.rmSync(this.home, { recursive: true, force: true })
    }
}

/** Talks SMTP: each command waits for its answer, unless `pipelined`. */
class Client {
    static async connect(port) {
        const client = new Client()
        client.socket = net.connect(port, '127.0.0.1')
        client.waiting = []
        client.replies = []
        linesOf(client.socket, (line) => client.got(line))
        await client.reply()
        return client
    }

    got(line) {
        if (line[3] === '-') return
        const waiting = this.waiting.shift()
        if (waiting) waiting(line)
        else this.replies.push(line)
    }

    reply() {
        const first = this.replies.shift()
        if (first) return Promise.resolve(first)
        return new Promise((resolve) => this.waiting.push(resolve))
    }

    say(line) {
        this.socket.write(`${line}\r\n`)
        return this.reply()
    }

    /** Introduces itself, and authenticates when there is a `user`. */
    async hello(user) {
        await this.say('EHLO client.test')
        if (!user) return
        const secret = Buffer.from(`\0${user}\0secret`).toString('base64')
        const answer = await this.say(`AUTH PLAIN ${secret}`)
        if (!answer.startsWith('235')) throw new Error(answer)
    }

    /** The answers to MAIL, each RCPT and the message, as far as it gets. */
    async send({ from = 'bob@sender.test', to, subject = 'Hello', headers = '' }) {
        const answers = [await this.say(`MAIL FROM:<${from}>`)]
        for (const address of to) answers.push(await this.say(`RCPT TO:<${address}>`))
        const data = await this.say('DATA')
        if (!data.startsWith('354')) return [...answers, data]
        const head = `From: <${from}>\r\nDate: Sat, 21 Nov 2026 00:00:00 +0000\r\n`
        const mail = `${head}Message-ID: <${to[0]}>\r\nSubject: ${subject}\r\n${headers}\r\nHello.\r\n.`
        return [...answers, await this.say(mail)]
    }

    async quit() {
        await this.say('QUIT')
        this.socket.destroy()
    }
}

/** A port that nobody listens on, below those that outgoing connections are given. */
function freePort() {
    const port = 20000 + Math.floor(Math.random() * 12000)
    return new Promise((resolve) => {
        const server = net.createServer()
        server.once('error', () => resolve(freePort()))
        server.listen(port, '127.0.0.1', () => server.close(() => resolve(port)))
    })
}

function pause(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Looks until `condition` holds; says `why()` when it never does. */
async function until(condition, why = () => 'it never came to be') {
    const deadline = Date.now() + LIMIT
    while (!(await condition())) {
        if (Date.now() > deadline) throw new Error(why())
        await pause(20)
    }
}

/** All lines that the plugin wrote into a directory, oldest first of each file. */
function linesIn(dir) {
    const names = fs.readdirSync(dir).filter((name) => name.startsWith('haraka-')).sort().reverse()
    const text = names.map((name) => fs.readFileSync(path.join(dir, name), 'utf8')).join('')
    const complete = text.slice(0, text.lastIndexOf('\n') + 1)
    return complete.split('\n').filter(Boolean).map((line) => JSON.parse(line))
}

module.exports = { releases, temporary, startSink, Haraka, Client, until, pause, linesIn }
