import { useSyncExternalStore } from 'react'

const steps: [limit: number, seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [3600, 60, 'minute'],
  [86_400, 3600, 'hour'],
  [7 * 86_400, 86_400, 'day'],
]
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const day = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', year: 'numeric' })
const full = new Intl.DateTimeFormat('en', { dateStyle: 'full', timeStyle: 'short' })

/** Moment shows when something happened: within a week how long ago, and before that the date. */
export function Moment({ at }: { at: string }) {
  const now = useSyncExternalStore(everyMinute, currentMinute)
  const date = new Date(at)
  const ago = (now - date.getTime()) / 1000
  const step = steps.find(([limit]) => ago < limit)
  const text = ago < 60 ? 'just now' : step ? relative.format(-Math.floor(ago / step[1]), step[2]) : day.format(date)
  return (
    <time dateTime={at} title={full.format(date)}>
      {text}
    </time>
  )
}

const minute = 60_000

function everyMinute(changed: () => void) {
  const timer = setInterval(changed, minute)
  return () => clearInterval(timer)
}

/** currentMinute returns a time that changes once a minute, for useSyncExternalStore. */
function currentMinute() {
  return Math.floor(Date.now() / minute) * minute
}
