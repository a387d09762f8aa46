// Publishes events with CloudEvents' SDK for JavaScript in each of its modes, reads them back, and prints them.
// node cloud_events.mjs URL TOKEN, in a folder where the package cloudevents is installed
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"

const require = createRequire(pathToFileURL(`${process.cwd()}/`))
const { CloudEvent, HTTP } = require("cloudevents")
const [url, token] = process.argv.slice(2)
const authorization = { Authorization: `Bearer ${token}` }
const common = {
  source: "/js", type: "com.example.js", subject: "orders/17", time: "2026-01-31T12:00:00.000Z",
  dataschema: "https://example.com/order", tenant: "a", attempt: 3, dry: true,
}
const given = {
  json: { datacontenttype: "application/json", data: { n: [1, null], text: "zwölf" } },
  untyped: { data: { n: 1 } },
  text: { datacontenttype: "text/plain", data: "plain" },
  xml: { datacontenttype: "application/xml", data: "<a/>" },
  bytes: { datacontenttype: "application/octet-stream", data: new Uint8Array([0, 255, 16]) },
}

async function publish({ headers, body }) {
  const answer = await fetch(`${url}/v1/workspaces/w/events`, { method: "POST", headers: { ...headers, ...authorization }, body })
  const said = await answer.json()
  if (answer.status !== 200) throw new Error(JSON.stringify(said))
  return said.results[0].position
}

async function read(position) {
  const lines = await (await fetch(`${url}/v1/events?since=${position - 1}&limit=1`, { headers: authorization })).text()
  return HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body: lines.trim() })
}

for (const [name, data] of Object.entries(given)) {
  for (const mode of ["binary", "structured"]) {
    const sent = new CloudEvent({ id: `${name}-${mode}`, ...common, ...data })
    const found = await read(await publish(HTTP[mode](sent)))
    found.validate()
    const bytes = found.data instanceof Uint32Array ? Array.from(found.data) : undefined
    console.log(JSON.stringify({ ...found.toJSON(), data_base64: undefined, data: bytes ?? found.data }))
  }
}
