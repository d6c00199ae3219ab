import { useQuery } from '@apollo/client/react'

import { MeDocument } from '../../gql/operations'

/** useViewerId returns the id of the signed-in person. These pages are shown to nobody else. */
export function useViewerId(): string {
  return useQuery(MeDocument).data?.viewer?.user.id ?? ''
}
