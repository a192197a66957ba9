'use strict'
// What every receiver here needs around its check: a server on loopback that answers 200 to a
// genuine POST and 401 to any other. Prints the port it listens on, then one line for each request:
// the answer and the event's id. The secret is in WEBHOOK_SECRET.

const { createServer } = require('node:http')

/** `isGenuine(headers, rawBody, secret)` is true, or it is false or throws. */
function verdict(isGenuine, headers, rawBody) {
  try {
    return isGenuine(headers, rawBody, process.env.WEBHOOK_SECRET) ? 200 : 401
  } catch {
    return 401
  }
}

module.exports = function serve(isGenuine) {
  const server = createServer((request, response) => {
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const rawBody = Buffer.concat(chunks)
      const status = verdict(isGenuine, request.headers, rawBody)
      console.log(status, status === 200 ? JSON.parse(rawBody).id : '-')
      response.writeHead(status).end()
    })
  })
  server.listen(0, '127.0.0.1', () => console.log(server.address().port))
}
