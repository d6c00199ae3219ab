package pusherserver

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

// shardCount is how many locks a hub has. A channel with many subscribers blocks only its own shard during a publish.
const shardCount = 32

// hub knows who is subscribed to which channel of one app. A channel exists while it has subscribers.
type hub struct {
	appID    string
	notify   func(SubscriptionChange) // Config.OnSubscription, or nil; called with channelsMu of the channel
	now      func() time.Time         // for notify
	webhooks *webhooks                // nil if the app has none; called with channelsMu of the channel
	cache    *eventCache
	seed     maphash.Seed
	shards   [shardCount]hubShard
}

// hubShard holds the channels whose names hash to it. Its lock is taken before the locks of send queues, webhooks and
// cache, never after them.
type hubShard struct {
	channelsMu    sync.Mutex
	channels      map[string]map[*connection]struct{}
	subscriptions int
}

// newHub returns a hub without subscribers. w is nil if the app has no webhooks.
func newHub(appID string, config *Config, w *webhooks) *hub {
	h := &hub{
		appID:    appID,
		notify:   config.OnSubscription,
		now:      config.Now,
		webhooks: w,
		cache:    newEventCache(config),
		seed:     maphash.MakeSeed(),
	}
	for i := range h.shards {
		h.shards[i].channels = make(map[string]map[*connection]struct{})
	}
	return h
}

func (h *hub) shard(channel string) *hubShard {
	return &h.shards[maphash.String(h.seed, channel)%shardCount]
}

// subscribe sends confirmation to c and makes it a subscriber, in one step. So c gets no event of channel before the
// confirmation, and all events after it. On a cache channel the cached event is part of that step. If c is a subscriber
// already, it only gets the confirmation.
func (h *hub) subscribe(channel string, c *connection, confirmation []byte) {
	s := h.shard(channel)
	s.channelsMu.Lock()
	defer s.channelsMu.Unlock()
	subscribers, ok := s.channels[channel]
	if !ok {
		subscribers = make(map[*connection]struct{})
		s.channels[channel] = subscribers
		if h.webhooks != nil {
			h.webhooks.occupied(channel)
		}
	}
	_, repeated := subscribers[c]
	c.queue.send(confirmation)
	if !repeated {
		subscribers[c] = struct{}{}
		s.subscriptions++
		if isCache(channel) {
			h.sendCached(channel, c)
		}
	}
	if h.notify != nil {
		now := h.now()
		h.notify(SubscriptionChange{
			AppID: h.appID, Channel: channel, SocketID: c.socketID, Joined: true, Subscribers: len(subscribers), At: now, Heard: now,
		})
	}
}

// sendCached sends c the cached event of channel, or a cache miss. The caller must hold the lock of the channel.
func (h *hub) sendCached(channel string, c *connection) {
	cached, ok := h.cache.get(channel)
	if ok {
		c.queue.send(cached.frame)
		return
	}
	c.queue.send(cacheMissFrame(channel))
	if h.webhooks != nil && h.cache.miss(channel) {
		h.webhooks.missed(channel)
	}
}

// unsubscribe removes c from channel because its client asked for it.
func (h *hub) unsubscribe(channel string, c *connection) { h.leave(channel, c, time.Time{}, true) }

// leave removes c from channel. It does nothing if c is not subscribed. heard and unsubscribed are for
// SubscriptionChange; a zero heard means now.
func (h *hub) leave(channel string, c *connection, heard time.Time, unsubscribed bool) {
	s := h.shard(channel)
	s.channelsMu.Lock()
	defer s.channelsMu.Unlock()
	subscribers := s.channels[channel]
	if _, ok := subscribers[c]; !ok {
		return
	}
	delete(subscribers, c)
	s.subscriptions--
	if len(subscribers) == 0 {
		delete(s.channels, channel)
		if h.webhooks != nil {
			h.webhooks.vacated(channel)
		}
	}
	if h.notify != nil {
		now := h.now()
		if heard.IsZero() {
			heard = now
		}
		h.notify(SubscriptionChange{
			AppID: h.appID, Channel: channel, SocketID: c.socketID, Subscribers: len(subscribers), At: now, Heard: heard,
			Unsubscribed: unsubscribed,
		})
	}
}

// publish queues event for every subscriber of channel except the socket with the id except. It holds the lock until
// all have it, so that all subscribers get the same order. It returns how many queues took the event, and how many
// subscribers there are.
func (h *hub) publish(channel string, event eventEncoder, except string) (delivered uint64, subscribed int) {
	s := h.shard(channel)
	s.channelsMu.Lock()
	defer s.channelsMu.Unlock()
	subscribers, cached := s.channels[channel], isCache(channel)
	if len(subscribers) == 0 && !cached {
		return 0, 0
	}
	frame := event.frame(channel)
	if cached {
		h.cache.put(channel, frame)
	}
	for c := range subscribers {
		if c.socketID != except && c.queue.send(frame) {
			delivered++
		}
	}
	return delivered, len(subscribers)
}

// occupied returns the channels whose names start with prefix. It locks one shard at a time.
func (h *hub) occupied(prefix string) []string {
	var names []string
	for i := range h.shards {
		s := &h.shards[i]
		s.channelsMu.Lock()
		for channel := range s.channels {
			if strings.HasPrefix(channel, prefix) {
				names = append(names, channel)
			}
		}
		s.channelsMu.Unlock()
	}
	return names
}

// look returns, from one moment, how many subscribers channel has and its cached event. ok is false if there is no such
// event.
func (h *hub) look(channel string) (subscribers int, cached cachedEvent, ok bool) {
	s := h.shard(channel)
	s.channelsMu.Lock()
	defer s.channelsMu.Unlock()
	if isCache(channel) {
		cached, ok = h.cache.get(channel)
	}
	return len(s.channels[channel]), cached, ok
}

// count locks one shard at a time. So its result is exact only if no subscription begins or ends during the call.
func (h *hub) count() (channels, subscriptions int) {
	for i := range h.shards {
		s := &h.shards[i]
		s.channelsMu.Lock()
		channels += len(s.channels)
		subscriptions += s.subscriptions
		s.channelsMu.Unlock()
	}
	return channels, subscriptions
}
