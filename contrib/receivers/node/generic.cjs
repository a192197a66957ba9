'use strict'
// Profile `generic`, by the Node.js example of the guide that the profile follows. It hashes what
// JSON.stringify makes of the parsed body: that only works with bodies that survive JavaScript.

const crypto = require('node:crypto')

function verifyWebhook(payload, signature, secret) {
  const expected = crypto.createHmac('sha256', secret).update(payload).digest('hex')
  return `sha256=${expected}` === signature
}

require('./serve.cjs')((headers, rawBody, secret) => {
  const body = JSON.parse(rawBody)
  const payload = JSON.stringify(body)
  return verifyWebhook(payload, headers['x-webhook-signature'], secret)
})
