'use strict'
// Lettermint's own library.

const { Webhook } = require('lettermint')

require('./serve.cjs')((headers, rawBody, secret) => {
  const payload = new Webhook(secret).verifyHeaders(headers, rawBody.toString())
  return payload.event === headers['x-lettermint-event']
})
