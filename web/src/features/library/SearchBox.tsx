import { CloseButton, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { useRef, useState } from 'react'

import classes from './SearchBox.module.css'

interface SearchBoxProps {
  label: string
  /** What it begins with. */
  initial: string
  /** Called with the trimmed text once typing pauses. */
  onSearch: (text: string) => void
}

/** SearchBox is the field that one searches titles with. */
export function SearchBox({ label, initial, onSearch }: SearchBoxProps) {
  const [text, setText] = useState(initial)
  const input = useRef<HTMLInputElement>(null)
  const settle = useDebouncedCallback((value: string) => onSearch(value.trim()), 250)

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
      />
    </form>
  )
}
