import { CloseButton, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { useEffect, useRef, useState } from 'react'

import classes from './SearchBox.module.css'

interface SearchBoxProps {
  label: string
  /** What is searched for now. */
  search: string
  /** Called with the trimmed text once typing pauses or the field is left. */
  onSearch: (text: string) => void
}

/** SearchBox is the field that one searches titles with. It follows the search that a link or going back leads to. */
export function SearchBox({ label, search, onSearch }: SearchBoxProps) {
  const [text, setText] = useState(search)
  const [known, setKnown] = useState(search) // to the box: what it has reported, or what it follows
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
        // Whoever follows a link next must not be brought back by a search that comes late.
        onBlur={() => settle.flush()}
      />
    </form>
  )
}
