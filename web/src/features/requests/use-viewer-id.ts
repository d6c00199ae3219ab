import { useQuery } from '@apollo/client/react'

import { MeDocument } from '../../gql/operations'

/** useViewerId is the id of whoever is signed in: these pages are shown to nobody else. */
export function useViewerId(): string {
  return useQuery(MeDocument).data?.viewer?.user.id ?? ''
}
