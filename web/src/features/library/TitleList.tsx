import { useQuery } from '@apollo/client/react'
import { Button, Group, Stack, Text } from '@mantine/core'
import { IconArrowUp, IconBooks, IconNotebook, IconSearchOff } from '@tabler/icons-react'
import { useRef } from 'react'
import { Link } from 'wouter'

import { LibraryDocument, type KnowledgeFieldsFragment } from '../../gql/operations'
import card from '../../ui/Card.module.css'
import { ShowMore } from '../../ui/ShowMore'
import { Empty, Failure, Loading } from '../../ui/States'
import { handledElsewhere } from '../../ui/errors'
import { useFocusAfterGrowth } from '../../ui/use-focus-after-growth'
import { fits, listOf, putOnTop, type View } from './library-cache'
import classes from './TitleList.module.css'
import { TitleItem } from './TitleItem'
import { useShared } from './use-shared'

interface TitleListProps {
  view: View
  viewerId: string
  search: string
  /** New titles that are not in the list until the reader asks for them. */
  waiting: KnowledgeFieldsFragment[]
}

/** TitleList shows the titles of a view that match a search, page by page. Screen readers are given their number. */
export function TitleList({ view, viewerId, search, waiting }: TitleListProps) {
  const variables = listOf(view, viewerId, search)
  const { data, previousData, error, client, refetch, fetchMore } = useQuery(LibraryDocument, {
    variables,
    fetchPolicy: 'cache-and-network',
  })
  const shared = useShared()
  const list = useRef<HTMLUListElement>(null)

  // During a search the results of the previous one stay.
  const found = (data ?? previousData)?.knowledge
  const items = found?.edges.map(({ node }) => node) ?? []
  const fresh = waiting.filter((title) => fits(title, search) && !items.some(({ id }) => id === title.id))

  const focusAt = useFocusAfterGrowth(list, items.length)

  const showMore = () => focusAt(items.length, fetchMore({ variables: { after: found?.pageInfo.endCursor } }))

  function showFresh() {
    void focusAt(0)
    putOnTop(client.cache, variables, fresh)
  }

  if (error && !found) {
    const retry = () => void refetch().catch(handledElsewhere)
    return <Failure error={error} title="The library could not be loaded" onRetry={retry} />
  }
  return (
    <Stack gap="md">
      <Group justify="space-between" className={classes.above}>
        <Text size="sm" c="dimmed" role="status">
          {data?.knowledge && counted(data.knowledge.totalCount, search)}
        </Text>
        <div role="status">
          {fresh.length > 0 && (
            <Button
              variant="light"
              radius="xl"
              className={classes.fresh}
              leftSection={<IconArrowUp size={16} aria-hidden />}
              onClick={showFresh}
            >
              {fresh.length === 1 ? 'Show 1 new title' : `Show ${fresh.length} new titles`}
            </Button>
          )}
        </div>
      </Group>
      {!found && <Loading label="Loading titles" />}
      {found && items.length === 0 && <Nothing view={view} search={search} />}
      {items.length > 0 && (
        <ul className={card.list} ref={list} aria-label={view === 'mine' ? 'My titles' : 'Titles of others'}>
          {items.map((item) => (
            <TitleItem
              key={item.id}
              item={item}
              rights={item.owner.id === viewerId ? 'own' : shared.has(item.id) ? 'shared' : 'none'}
            />
          ))}
        </ul>
      )}
      {found?.pageInfo.hasNextPage && <ShowMore more={showMore} />}
    </Stack>
  )
}

function counted(count: number, search: string): string {
  if (count === 0 && !search) return '' // the page shows a text instead of a number
  const titles = count === 1 ? '1 title' : `${count} titles`
  return search ? `${titles} with “${search}”.` : `${titles}.`
}

function Nothing({ view, search }: { view: View; search: string }) {
  if (search) {
    return (
      <Empty icon={<IconSearchOff size={28} />} title="No title has these words">
        Try a part of a word.{view === 'others' && ' Or ask a person who may know: not everything is in the library.'}
      </Empty>
    )
  }
  if (view === 'mine') {
    return (
      <Empty
        icon={<IconNotebook size={28} />}
        title="You have not added anything yet"
        action={
          <Button component={Link} to="/library/new" mt="xs">
            Add what you know
          </Button>
        }
      >
        Colleagues see the titles only. What you write stays yours until somebody asks and you approve.
      </Empty>
    )
  }
  return (
    <Empty
      icon={<IconBooks size={28} />}
      title="Nobody else has added anything yet"
      action={
        <Button component={Link} to="/ask" variant="default" mt="xs">
          Ask a person
        </Button>
      }
    >
      New titles appear here the moment they are added. Until then you can ask a person directly.
    </Empty>
  )
}
