import Pusher from 'pusher-js/with-encryption'
import { endpoint, plainError, post, type Request, type Result } from './http'
import type { Sink } from './stream'

const how = '{ realtime { key cluster host port tls authEndpoint } }'

interface Realtime {
  key: string
  cluster: string | null
  host: string | null
  port: number | null
  tls: boolean
  authEndpoint: string
}

/** The data of the event `update`: docs/protocol.md. */
interface Update {
  more: boolean
  result?: Result
  compressed_result?: string
  fetch?: { url: string; seq: number }
}

/**
 * Runs a subscription over Pusher, as docs/protocol.md describes: it is sent by POST, and its results arrive on a
 * channel. It has a connection of its own, which ends with it. Errors have a message for people. Returns a function
 * that stops it.
 */
export function subscribe(request: Request, headers: Headers, sink: Sink): () => void {
  let pusher: Pusher | undefined
  const over = new AbortController()
  const end = (then: () => void) => {
    if (over.signal.aborted) return
    over.abort()
    then()
    pusher?.disconnect()
  }
  const whileOpen: Sink = {
    next: (result) => !over.signal.aborted && sink.next(result),
    error: (reason) => end(() => sink.error(reason)),
    complete: () => end(() => sink.complete()),
  }
  const isOver = () => over.signal.aborted
  const run = async () => {
    const realtime = await readRealtime(headers)
    if (isOver()) return
    const asked = new Headers(headers)
    asked.set('X-Subscription-Protocol', 'graphql-ruby')
    asked.set('X-Subscription-Compress', 'gzip')
    const result = await post(request, asked)
    const channel = channelOf(result)
    if (channel === undefined || hasResult(result)) whileOpen.next(withoutChannel(result))
    if (channel === undefined) whileOpen.complete() // the answer was the only result
    else if (!isOver()) {
      pusher = connect(realtime, headers, whileOpen)
      listen(pusher, channel, headers, whileOpen)
    }
  }
  run().catch(whileOpen.error)
  return () => end(() => {})
}

async function readRealtime(headers: Headers): Promise<Realtime> {
  const { data, errors } = await post({ query: how }, headers)
  const realtime = data?.realtime as Realtime | null | undefined
  if (!realtime) throw plainError(errors?.[0]?.message ?? 'The server does not say how to connect.')
  return realtime
}

function connect({ key, cluster, host, port, tls, authEndpoint }: Realtime, headers: Headers, sink: Sink): Pusher {
  const pusher = new Pusher(key, {
    cluster: cluster ?? '',
    ...(host !== null && { wsHost: host, enabledTransports: tls ? ['ws', 'wss'] : ['ws'] }),
    ...(port !== null && { wsPort: port, wssPort: port }),
    forceTLS: tls,
    enableStats: false,
    channelAuthorization: { transport: 'ajax', endpoint: authEndpoint, headers: Object.fromEntries(headers) },
  })
  let failure = 'Pusher cannot be reached. Run it again.'
  pusher.connection.bind('error', (error: { error?: { data?: { code?: number; message?: string } } }) => {
    const { code, message } = error.error?.data ?? {}
    if (code !== undefined) failure = `Pusher ended the connection: ${message || 'it did not say why'} (${code}). Run it again.`
  })
  for (const state of ['disconnected', 'unavailable', 'failed']) {
    pusher.connection.bind(state, () => sink.error(plainError(failure)))
  }
  return pusher
}

function listen(pusher: Pusher, name: string, headers: Headers, sink: Sink): void {
  const channel = pusher.subscribe(name)
  const known = new Set<unknown>() // repeats arrive after a reconnect
  let turn = Promise.resolve() // keeps the order of results, because decompressing one takes time
  const show = async (update: Update) => {
    const result = await read(update, name, headers)
    const seq = result && seqOf(result)
    if (result && (seq === undefined || !known.has(seq))) sink.next(result)
    if (seq !== undefined) known.add(seq)
    if (!update.more) sink.complete()
  }
  channel.bind('update', (update: Update) => {
    turn = turn.then(() => show(update)).catch(sink.error)
  })
  channel.bind('pusher:subscription_error', ({ status, error }: { status?: number; error?: string }) => {
    sink.error(plainError(`The channel cannot be joined: ${error ?? 'it was refused'}${status ? ` (${status})` : ''}. Run it again.`))
  })
}

async function read({ result, compressed_result: packed, fetch }: Update, channel: string, headers: Headers): Promise<Result | undefined> {
  if (fetch) return fetchResult(fetch.url, channel, fetch.seq, headers)
  if (packed === undefined) return result
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0))
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))
  return (await new Response(unpacked).json()) as Result
}

async function fetchResult(path: string, channel: string, seq: number, headers: Headers): Promise<Result> {
  const url = new URL(path, new URL(endpoint, location.href))
  if (url.origin !== location.origin) throw plainError('A result is kept at another server, and not fetched from there.')
  url.searchParams.set('channel', channel)
  url.searchParams.set('seq', String(seq))
  const response = await window.fetch(url, { headers })
  if (!response.ok) throw plainError(`A result that was too large for Pusher could not be fetched: ${response.status}.`)
  return (await response.json()) as Result
}

function channelOf({ extensions }: Result): string | undefined {
  const subscriptions = extensions?.lighthouse_subscriptions as { channel?: string } | undefined
  return subscriptions?.channel
}

function seqOf({ extensions }: Result): unknown {
  return (extensions?.subscription as { seq?: number } | undefined)?.seq
}

/** The answer of a subscription without a first result has no data. */
function hasResult({ data, errors }: Result): boolean {
  return errors !== undefined || Object.keys(data ?? {}).length > 0
}

function withoutChannel({ extensions, ...result }: Result): Result {
  const rest = Object.entries(extensions ?? {}).filter(([name]) => name !== 'lighthouse_subscriptions')
  return { ...result, ...(rest.length > 0 && { extensions: Object.fromEntries(rest) }) }
}
