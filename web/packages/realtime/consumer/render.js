// Runs in the folder of the consumer: it renders what the README has.
import { JSDOM } from 'jsdom'
import assert from 'node:assert/strict'
import { setTimeout as pass } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { createElement, StrictMode } from 'react'
import { renderToString } from 'react-dom/server'

import { LiveState } from './out/react.js'

const person = () => createElement(StrictMode, null, createElement(LiveState, { person: '1' }))
assert.equal(renderToString(person()), '<p>initialized</p>')

const page = '<div id="react"></div><div id="vue"></div>'
const { window } = new JSDOM(page, { url: 'http://localhost', pretendToBeVisual: true })
const { document, Element, SVGElement } = window
Object.assign(globalThis, { window, document, Element, SVGElement })
globalThis.navigator ??= window.navigator // Node.js has it from 21 on
// The server says how to connect, to where nobody listens.
const realtime = { key: 'a-key', host: '127.0.0.1', port: 1, tls: false, channel: 'private-user-1', authEndpoint: '/' }
let asked = 0
globalThis.fetch = () => {
  asked += 1
  return Promise.resolve(Response.json({ data: { realtime, notifications: { edges: [] } } }))
}
const { default: Pusher } = await import('pusher-js')

/** shows waits until an element has this text, and there is one connection, for which the server was asked once. */
async function shows(id, text) {
  const now = () => [document.getElementById(id).textContent, asked, Pusher.instances.length]
  for (let i = 0; i < 1000 && !isDeepStrictEqual(now(), [text, 1, 1]); i += 1) await pass(5)
  assert.deepEqual(now(), [text, 1, 1])
  asked = 0
}

const { createRoot } = await import('react-dom/client')
const root = createRoot(document.getElementById('react'))
root.render(person())
await shows('react', 'connecting')
root.unmount()
await pass(0)
assert.equal(Pusher.instances.length, 0)

const { createApp, h } = await import('vue')
const { useLive } = await import('./out/vue.js')
const app = createApp({
  setup() {
    const state = useLive()
    return () => h('p', state.value)
  },
})
app.mount('#vue')
await shows('vue', 'connecting')
app.unmount()
assert.equal(Pusher.instances.length, 0)
window.close()
// Whoever left a timer or a socket behind would keep this process from ending.
console.log('rendered')
