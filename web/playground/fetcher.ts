import type { Fetcher, FetcherParams } from '@graphiql/toolkit'
import { getOperationAST, Kind, OperationTypeNode, parse, type OperationDefinitionNode } from 'graphql'
import { post, toHeaders, type Request } from './http'
import type { Streams } from './stream'
import type { Transport } from './transport'

const sessionFields = new Set(['signIn', 'signUp', 'signOut'])

/** What GraphiQL runs operations with. */
interface FetcherOptions {
  streams: Streams
  transport: Transport
  /** Called after a mutation that may have changed who is signed in. */
  onSession: () => void
}

/** Queries and mutations go by POST, subscriptions by the transport, each with the headers of the headers editor. */
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

/** GraphiQL gives null where there is nothing. */
function toRequest({ query, operationName, ...params }: FetcherParams): Request {
  const variables = params.variables as Record<string, unknown> | null | undefined
  return { query, ...(operationName && { operationName }), ...(variables && { variables }) }
}

/** Undefined where the document does not parse: the server says what is wrong with it. */
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
