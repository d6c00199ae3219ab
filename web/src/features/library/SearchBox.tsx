import { CloseButton, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { useEffect, useRef, useState } from 'react'

import classes from './SearchBox.module.css'

interface SearchBoxProps {
  label: string
  /** The current search. */
  search: string
  /** Called with the trimmed text when typing pauses or the field loses the focus. */
  onSearch: (text: string) => void
}

/** SearchBox is the field for searching titles. It also follows changes of the search by a link or by going back. */
export function SearchBox({ label, search, onSearch }: SearchBoxProps) {
  const [text, setText] = useState(search)
  const [known, setKnown] = useState(search) // the last search that the box has reported or followed
  const input = useRef<HTMLInputElement>(null)
  const settle = useDebouncedCallback((value: string) => {
    setKnown(value.trim())
    onSearch(value.trim())
  }, 250)
  if (search !== known) {
    setKnown(search)
    setText(search)
  }
  useEffect(() => {
    if (text === search) settle.cancel()
  }, [text, search, settle])

  function change(value: string) {
    setText(value)
    settle(value)
  }

  return (
    <form
      role="search"
      className={classes.box}
      onSubmit={(event) => {
        event.preventDefault()
        settle.flush()
      }}
    >
      <TextInput
        ref={input}
        type="search"
        aria-label={label}
        placeholder={label}
        size="md"
        classNames={{ input: classes.input }}
        leftSection={<IconSearch size={18} aria-hidden />}
        rightSection={
          text && (
            <CloseButton
              aria-label="Clear the search"
              onClick={() => {
                change('')
                settle.flush()
                input.current?.focus()
              }}
            />
          )
        }
        value={text}
        onChange={(event) => change(event.currentTarget.value)}
        // A late search must not undo a link that somebody follows next.
        onBlur={() => settle.flush()}
      />
    </form>
  )
}
