import type { Fetcher, FetcherParams } from '@graphiql/toolkit'
import { getOperationAST, Kind, OperationTypeNode, parse, type OperationDefinitionNode } from 'graphql'
import { post, toHeaders, type Request } from './http'
import type { Streams } from './stream'
import type { Transport } from './transport'

const sessionFields = new Set(['signIn', 'signUp', 'signOut'])

/** The dependencies of the fetcher. */
interface FetcherOptions {
  streams: Streams
  transport: Transport
  /** Called after a mutation that may have changed the session. */
  onSession: () => void
}

/**
 * Sends queries and mutations by POST, and subscriptions by the transport, each with the headers of the headers
 * editor.
 */
export function createFetcher({ streams, transport, onSession }: FetcherOptions): Fetcher {
  return async (params, options) => {
    const request = toRequest(params)
    const headers = toHeaders(options?.headers)
    const operation = find(request)
    if (operation?.operation === OperationTypeNode.SUBSCRIPTION) return streams.open(request, transport, headers)
    const result = await post(request, headers)
    if (operation?.operation === OperationTypeNode.MUTATION && changesSession(operation)) onSession()
    return result
  }
}

/** GraphiQL passes null for missing values. */
function toRequest({ query, operationName, ...params }: FetcherParams): Request {
  const variables = params.variables as Record<string, unknown> | null | undefined
  return { query, ...(operationName && { operationName }), ...(variables && { variables }) }
}

/** Returns undefined if the document does not parse. Then the server explains what is wrong with it. */
function find({ query, operationName }: Request): OperationDefinitionNode | undefined {
  try {
    return getOperationAST(parse(query), operationName) ?? undefined
  } catch {
    return undefined
  }
}

function changesSession({ selectionSet }: OperationDefinitionNode): boolean {
  return selectionSet.selections.some((field) => field.kind === Kind.FIELD && sessionFields.has(field.name.value))
}
