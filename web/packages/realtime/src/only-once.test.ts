import { expect, it } from 'vitest'

import { onlyOnce } from './only-once.js'

it('forgets the oldest, and no other', () => {
  const isNew = onlyOnce(1000)
  for (let id = 0; id <= 1000; id += 1) expect(isNew(String(id))).toBe(true)
  expect([isNew('1'), isNew('1000'), isNew('0'), isNew('2')]).toEqual([false, false, true, false])
})
