'use strict'
// The reference library of Standard Webhooks.

const { Webhook } = require('standardwebhooks')

require('./serve.cjs')((headers, rawBody, secret) => {
  new Webhook(secret).verify(rawBody.toString(), headers)
  return true
})
