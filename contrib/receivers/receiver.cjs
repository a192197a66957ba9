'use strict'
// A webhook receiver on loopback that checks every signature with code that is not mailherald's:
// profile `standard` with the reference library of Standard Webhooks, the other three the way
// their providers tell receivers to. What arrived is appended to a file, one JSON object a line,
// before it is answered.
//
//   node receiver.cjs --out FILE --secrets FILE [--fail-first N]
//
// --secrets   JSON object {"<profile>": "<secret>", …}; each profile is served at /<profile>
// --fail-first  answers 500 to the first N requests of each profile
//
// Answers 204, 401 when the check fails, 404 for an unknown path. Prints the port it listens on.

const { createHmac, timingSafeEqual } = require('node:crypto')
const { appendFileSync, readFileSync } = require('node:fs')
const { createServer } = require('node:http')
const { parseArgs } = require('node:util')
const { Webhook } = require('standardwebhooks')

/** Seconds by which a signed time may differ from ours. */
const TOLERANCE_SECONDS = 300

const { values: options } = parseArgs({
  options: {
    out: { type: 'string' },
    secrets: { type: 'string' },
    'fail-first': { type: 'string', default: '0' },
  },
})
const secrets = JSON.parse(readFileSync(options.secrets, 'utf8'))
const failFirst = Number(options['fail-first'])
const seen = new Map()

function hmacHex(secret, message) {
  return createHmac('sha256', secret).update(message).digest('hex')
}

function equal(left, right) {
  const [a, b] = [Buffer.from(String(left)), Buffer.from(String(right))]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** The library's verdict; a secret that is no base64 key is used as it stands. */
function standardWebhooks(secret, headers, body) {
  const isKey = /^whsec_[A-Za-z0-9+/]+=*$/.test(secret)
  const webhook = isKey ? new Webhook(secret) : new Webhook(secret, { format: 'raw' })
  try {
    webhook.verify(body, headers)
    return true
  } catch {
    return false
  }
}

/** `sha256=` and the HMAC of the raw body; beside it the trio that body-only profiles also carry. */
function bodyOnly(secret, headers, body) {
  const expected = 'sha256=' + hmacHex(secret, body)
  const trio = !('webhook-signature' in headers) || standardWebhooks(secret, headers, body)
  return equal(headers['x-webhook-signature'], expected) && trio
}

/** `t=…,v1=…` over `t.body`; the delivery header repeats `t`. */
function lettermint(secret, headers, body) {
  const parts = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers['x-lettermint-signature'] ?? '')
  if (!parts || headers['x-lettermint-delivery'] !== parts[1]) return false
  const age = Math.abs(Date.now() / 1000 - Number(parts[1]))
  return age <= TOLERANCE_SECONDS && equal(parts[2], hmacHex(secret, `${parts[1]}.${body}`))
}

const checks = { standard: standardWebhooks, jetemail: bodyOnly, generic: bodyOnly, lettermint }

function statusOf(profile, verified) {
  const number = (seen.get(profile) ?? 0) + 1
  seen.set(profile, number)
  if (number <= failFirst) return 500
  return verified ? 204 : 401
}

/** Which header names the event, where the profile has one; else the body does. */
function idOf(headers, body) {
  try {
    return headers['webhook-id'] ?? headers['x-webhook-id'] ?? JSON.parse(body).id
  } catch {
    return null
  }
}

function receive(profile, request, response, body) {
  const verified = checks[profile](secrets[profile], request.headers, body)
  const status = statusOf(profile, verified)
  const id = idOf(request.headers, body)
  const record = { profile, verified, status, id, headers: request.headers, body }
  appendFileSync(options.out, JSON.stringify(record) + '\n')
  response.writeHead(status).end()
}

const server = createServer((request, response) => {
  const profile = request.url.slice(1)
  const known = Object.hasOwn(checks, profile) && Object.hasOwn(secrets, profile)
  if (request.method !== 'POST' || !known) {
    response.writeHead(404).end()
    return
  }
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => receive(profile, request, response, Buffer.concat(chunks).toString()))
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
