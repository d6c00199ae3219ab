import { useQuery } from '@apollo/client/react'
import { Select } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconUser } from '@tabler/icons-react'
import { useState, type Ref } from 'react'

import { MeDocument, PeopleDocument } from '../../gql/operations'
import { messageOf } from '../../ui/errors'
import classes from './PersonField.module.css'

export interface Person {
  id: string
  name: string
}

interface PersonFieldProps {
  value: Person | null
  onChange: (person: Person | null) => void
  error?: string
  ref?: Ref<HTMLInputElement>
}

/** PersonField chooses the person to ask: anybody except the viewer, found by a part of their name. */
export function PersonField({ value, onChange, error, ref }: PersonFieldProps) {
  const [text, setText] = useState(value?.name ?? '')
  const [settled] = useDebouncedValue(text.trim(), 250)
  // After a choice the text of the field is not a search.
  const search = settled === value?.name ? null : settled || null
  const viewerId = useQuery(MeDocument).data?.viewer?.user.id
  const people = useQuery(PeopleDocument, { variables: { search }, fetchPolicy: 'cache-and-network' })

  const found = (people.data ?? people.previousData)?.users?.edges.map(({ node }) => node) ?? []
  const offered = found.filter(({ id }) => id !== viewerId)
  const all = value && !offered.some(({ id }) => id === value.id) ? [...offered, value] : offered
  const nothing = people.error
    ? messageOf(people.error)
    : people.loading
      ? 'Searching…'
      : 'Nobody has a name like this.'

  return (
    <Select
      ref={ref}
      label="Who may know?"
      placeholder="Search by name"
      size="md"
      required
      withAsterisk={false}
      searchable
      allowDeselect={false}
      leftSection={<IconUser size={18} aria-hidden />}
      data={all.map(({ id, name }) => ({ value: id, label: name }))}
      // The server has already searched.
      filter={({ options }) => options}
      nothingFoundMessage={nothing}
      comboboxProps={{ withinPortal: false }}
      withScrollArea={false}
      classNames={{ options: classes.options, option: classes.option }}
      value={value?.id ?? null}
      onChange={(id) => onChange(all.find((person) => person.id === id) ?? null)}
      // Above the field, because the open list covers what is below.
      inputWrapperOrder={['label', 'error', 'input']}
      searchValue={text}
      onSearchChange={setText}
      error={error}
    />
  )
}
