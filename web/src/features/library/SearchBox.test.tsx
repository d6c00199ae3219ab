import { act, cleanup, fireEvent, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { useSearchParams } from 'wouter'
import { navigate } from 'wouter/use-browser-location'

import { show } from '../../ui/testing/show'
import { SearchBox } from './SearchBox'

/** Search is a page with its search in the address, like the library. */
function Search() {
  const [params, setParams] = useSearchParams()
  const report = (text: string) => setParams(text ? { q: text } : {}, { replace: true })
  return <SearchBox label="Search" search={params.get('q') ?? ''} onSearch={report} />
}

const box = () => screen.getByRole<HTMLInputElement>('searchbox', { name: 'Search' })
const type = (text: string) => fireEvent.change(box(), { target: { value: text } })
const pause = () => act(() => void vi.advanceTimersByTime(250))
const go = (to: string) => act(() => navigate(to))
const searched = () => new URLSearchParams(window.location.search).get('q')

beforeEach(() => {
  vi.useFakeTimers()
  navigate('/library?q=ladder')
  show(<Search />)
})
afterEach(() => {
  cleanup()
  vi.useRealTimers()
})

it('begins with the current search, and reports the typed text when typing pauses', () => {
  expect(box().value).toBe('ladder')
  type('sho')
  type('shovel ')
  expect(searched()).toBe('ladder')
  pause()
  expect(searched()).toBe('shovel')
  expect(box().value).toBe('shovel ')
})

it('keeps the text that is typed during a search', () => {
  type('shov')
  pause()
  type('shovel')
  expect(searched()).toBe('shov')
  expect(box().value).toBe('shovel')
  pause()
  expect(searched()).toBe('shovel')
})

it('follows the address, by a link and by going back, and forgets unreported text', () => {
  type('shovel')
  go('/library')
  expect(box().value).toBe('')
  pause()
  expect(searched()).toBeNull()
  go('/library?q=ladder')
  expect(box().value).toBe('ladder')
  type('shovel')
  pause()
  go('/library?q=ladder')
  expect(box().value).toBe('ladder')
})

it('reports at once when the field is left', () => {
  type('shovel')
  fireEvent.blur(box())
  expect(searched()).toBe('shovel')
  go('/ask')
  pause()
  expect(window.location.pathname + window.location.search).toBe('/ask')
})

it('clears the search at once when the field is cleared', () => {
  fireEvent.click(screen.getByRole('button', { name: 'Clear the search' }))
  expect(searched()).toBeNull()
  expect(document.activeElement).toBe(box())
})
