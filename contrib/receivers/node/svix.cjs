'use strict'
// The library of Svix, which takes the headers of Standard Webhooks, too.

const { Webhook } = require('svix')

require('./serve.cjs')((headers, rawBody, secret) => {
  new Webhook(secret).verify(rawBody.toString(), headers)
  return true
})
