import { useQuery } from '@apollo/client/react'
import { Button, Tabs } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { Link, useSearchParams } from 'wouter'

import { MeDocument } from '../../gql/operations'
import { Page } from '../../ui/Page'
import type { View } from './library-cache'
import classes from './LibraryPage.module.css'
import { SearchBox } from './SearchBox'
import { TitleList } from './TitleList'
import { usePublished } from './use-published'

const views: { view: View; label: string; search: string }[] = [
  { view: 'others', label: 'From others', search: 'Search the titles of others' },
  { view: 'mine', label: 'Mine', search: 'Search my titles' },
]

/** LibraryPage shows the titles of other people and the viewer's own. View and search are in the address. */
export function LibraryPage() {
  const [params, setParams] = useSearchParams()
  const view: View = params.get('view') === 'mine' ? 'mine' : 'others'
  const search = params.get('q') ?? ''
  const viewerId = useQuery(MeDocument).data?.viewer?.user.id
  const waiting = usePublished(viewerId, search)

  function show(view: View, search = '', options?: { replace: boolean }) {
    setParams({ ...(view === 'mine' && { view }), ...(search && { q: search }) }, options)
  }

  return (
    <Page
      title="Library"
      lead="What people here know. Ask for a title, and its owner decides."
      actions={
        <Button
          component={Link}
          to="/library/new"
          className={classes.add}
          leftSection={<IconPlus size={18} aria-hidden />}
        >
          Add what you know
        </Button>
      }
    >
      <Tabs value={view} onChange={(next) => show(next === 'mine' ? 'mine' : 'others')} keepMounted={false}>
        <Tabs.List aria-label="Whose titles">
          {views.map(({ view, label }) => (
            <Tabs.Tab key={view} value={view} className={classes.tab}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {views.map(({ view, label, search: searchLabel }) => (
          <Tabs.Panel key={view} value={view} aria-label={label} className={classes.panel}>
            <SearchBox label={searchLabel} search={search} onSearch={(text) => show(view, text, { replace: true })} />
            {viewerId && <TitleList view={view} viewerId={viewerId} search={search} waiting={waiting} />}
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  )
}
