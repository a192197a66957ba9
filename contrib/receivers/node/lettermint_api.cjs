'use strict'
// Lettermint's own library, unchanged, asks mailherald for everything that has to do with webhooks,
// and checks with the secret that it is given what arrives.
//
//   API_URL=http://127.0.0.1:8025/lettermint/v1 API_KEY=api_… node lettermint_api.cjs
//
// Listens on a free port of loopback for the webhook that it makes. Prints `ready` when that can be
// told, and ends with 0 when an event has arrived and all answers were as the library has them.

const assert = require('node:assert/strict')
const { createServer } = require('node:http')
const { Lettermint, ValidationError, Webhook } = require('lettermint')

const client = Lettermint.api(process.env.API_KEY, { baseUrl: process.env.API_URL })
const { webhooks } = client
const arrived = []

const server = createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    arrived.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
    response.writeHead(200).end()
  })
})

/** Waits until it gives something. */
async function until(what, look) {
  for (let round = 0; round < 300; round++) {
    const found = await look()
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`waited for ${what} for too long`)
}

/** The first that arrived of a type, genuine by that secret. */
async function genuine(type, secret) {
  const read = ({ headers, body }) => new Webhook(secret).verifyHeaders(headers, body)
  const of = (it) => it.headers['x-lettermint-event'] === type
  return read(await until(type, () => arrived.find(of)))
}

async function main() {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}/`
  const events = ['message.delivered', 'message.opened']

  const wrong = webhooks.create({ name: 'Node', url, events: ['message.lost'] })
  await assert.rejects(wrong, (error) => {
    assert.ok(error instanceof ValidationError)
    assert.equal(error.errorType, 'invalid_request')
    return 'events' in error.responseBody.errors
  })
  const made = await webhooks.create({ route_id: 'news', name: 'Node', url, events })
  assert.match(made.message, /^Webhook created successfully\./)
  const { id, secret } = made.data
  assert.match(secret, /^whsec_/)
  assert.deepEqual([made.data.route_id, made.data.enabled], ['news', true])
  assert.deepEqual(made.data.events, events)
  assert.ok(!Number.isNaN(Date.parse(made.data.created_at)))

  const listed = await webhooks.list({ 'page[size]': '10', sort: '-created_at' })
  assert.ok(listed.data.some((row) => row.id === id && row.name === 'Node'))
  assert.equal(listed.next_cursor, null)
  const changed = await webhooks.update(id, { name: 'Node SDK', include_machine_events: true })
  assert.equal(changed.message, 'Webhook updated successfully.')
  const shown = await webhooks.retrieve(id)
  assert.deepEqual([shown.name, shown.include_machine_events], ['Node SDK', true])
  assert.equal(shown.secret, undefined)

  const test = await webhooks.test(id)
  assert.equal((await genuine('webhook.test', secret)).id, test.delivery_id)
  const tried = await until('the test', async () => {
    const delivery = await webhooks.delivery(id, test.delivery_id)
    return delivery.status === 'success' && delivery
  })
  assert.deepEqual([tried.event_type, tried.http_status_code], ['webhook.test', 200])
  assert.equal(tried.payload.event, 'webhook.test')

  const again = await webhooks.regenerateSecret(id)
  assert.notEqual(again.data.secret, secret)
  await webhooks.update(id, { enabled: true })
  console.log('ready')
  const event = await genuine('message.delivered', again.data.secret)
  const row = await until('the delivery', async () => {
    const { data } = await webhooks.deliveries(id, { 'filter[event_type]': 'message.delivered' })
    return data.find((delivery) => delivery.status === 'success')
  })
  assert.deepEqual([row.webhook_id, row.attempt_number], [id, 1])
  const delivery = await webhooks.delivery(id, row.id)
  assert.deepEqual(delivery.payload, event)
  assert.ok((await webhooks.retrieve(id)).last_called_at)

  assert.equal((await webhooks.delete(id)).message, 'Webhook deleted successfully.')
  await assert.rejects(webhooks.retrieve(id), { statusCode: 404 })
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
