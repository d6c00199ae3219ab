import { Text } from '@mantine/core'

const encoder = new TextEncoder()
const number = new Intl.NumberFormat('en')

/** charactersOf counts as the server does where it limits characters: Unicode code points after trimming. */
export const charactersOf = (text: string): number => Array.from(text.trim()).length

/** bytesOf counts as the server does where it limits bytes: as UTF-8, untrimmed. */
export const bytesOf = (text: string): number => encoder.encode(text).length

interface RemainingProps {
  used: number
  limit: number
  /** What is counted, in the plural. */
  unit: 'characters' | 'bytes'
}

/** Remaining says how much of a text's limit is left once nine tenths are used, and how much it is too long. */
export function Remaining({ used, limit, unit }: RemainingProps) {
  if (used < limit * 0.9) return null
  const left = limit - used
  const one = Math.abs(left) === 1 ? unit.slice(0, -1) : unit
  return (
    <Text size="xs" c={left < 0 ? 'var(--mantine-color-error)' : 'dimmed'}>
      {left < 0 ? `${number.format(-left)} ${one} too long.` : `${number.format(left)} ${one} left.`}
    </Text>
  )
}
