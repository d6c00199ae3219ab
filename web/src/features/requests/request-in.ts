import type { RequestFieldsFragment, RequestQuery } from '../../gql/operations'

/** requestIn returns the request of a result, or undefined if the id belongs to something else. */
export function requestIn(data: RequestQuery | undefined): RequestFieldsFragment | undefined {
  const node = data?.node
  return node && 'status' in node ? (node as RequestFieldsFragment) : undefined
}
