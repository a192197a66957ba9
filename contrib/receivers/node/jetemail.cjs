'use strict'
// Profile `jetemail`, by the headers and the signature that JetEmail's documentation describes:
// `sha256=` and the HMAC of the raw body, and a timestamp that must be fresh.

const { createHmac, timingSafeEqual } = require('node:crypto')

function verifyWebhook(rawBody, signature, timestamp, secret) {
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false
  const expected = 'sha256=' + createHmac('sha256', secret).update(rawBody).digest('hex')
  return timingSafeEqual(Buffer.from(signature), Buffer.from(expected))
}

require('./serve.cjs')((headers, rawBody, secret) => {
  const { 'x-webhook-signature': signature, 'x-webhook-timestamp': timestamp } = headers
  const isGenuine = verifyWebhook(rawBody, signature, timestamp, secret)
  return isGenuine && headers['x-webhook-id'] === JSON.parse(rawBody).id
})
