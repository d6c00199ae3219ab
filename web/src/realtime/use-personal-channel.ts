import { usePusher, type UsePusherOptions, type UsePusherResult } from '@lorebridge/realtime'
import Pusher from 'pusher-js/with-encryption'

import { isRequest, isResponse, type PersonalEvents } from './events'

const events = { 'knowledge-request': isRequest, 'knowledge-response': isResponse }

export type PersonalChannelOptions = Omit<UsePusherOptions<PersonalEvents>, 'Pusher' | 'events'>

/** usePersonalChannel listens, as usePusher does, to what the server sends to one person. */
export function usePersonalChannel(options: PersonalChannelOptions | null): UsePusherResult {
  return usePusher<PersonalEvents>(options && { ...options, Pusher, events })
}
