import type { RequestFieldsFragment, RequestQuery } from '../../gql/operations'

/** requestIn is the request that was asked for; undefined where the id is something else's. */
export function requestIn(data: RequestQuery | undefined): RequestFieldsFragment | undefined {
  const node = data?.node
  return node && 'status' in node ? (node as RequestFieldsFragment) : undefined
}
