package pusherserver

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

// shardCount lets subscriptions to one channel go on while an event is handed to a crowd on another.
const shardCount = 32

// hub knows who is subscribed to which channel of one app. A channel exists while it has subscribers.
type hub struct {
	appID    string
	notify   func(SubscriptionChange) // nil if nobody wants to know; called with channelsMu of the channel
	now      func() time.Time         // for notify
	webhooks *webhooks                // nil if the app has none; told with channelsMu of the channel
	cache    *eventCache
	seed     maphash.Seed
	shards   [shardCount]hubShard
}

// hubShard holds the channels whose names hash to it. Its lock comes before those of send queues, of the webhooks and
// of the cache, never after.
type hubShard struct {
	channelsMu    sync.Mutex
	channels      map[string]map[*connection]struct{}
	subscriptions int
}

// newHub takes nil for webhooks if the app has none.
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

// subscribe sends confirmation to c and makes it a subscriber in one step: no event of channel comes before it and none
// after it is missed. On a cache channel the cached event belongs to that step. Doing so again only confirms again.
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
	_, again := subscribers[c]
	c.queue.send(confirmation)
	if !again {
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

// sendCached sends what c finds on a cache channel. The lock of the channel must be held.
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

// unsubscribe makes c leave a channel because its client asked for it.
func (h *hub) unsubscribe(channel string, c *connection) { h.leave(channel, c, time.Time{}, true) }

// leave ignores what c is not subscribed to. heard and unsubscribed are for SubscriptionChange; a zero heard is now.
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

// publish queues event for every subscriber of channel but the socket called except. The lock is held throughout: that
// is what gives all subscribers the same order. It returns how many got the event and how many are subscribed.
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

// occupied returns the channels whose names start with prefix. It takes the shards one after the other, each for no
// longer than it takes to look at its names.
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

// look returns how many are subscribed to channel and what the next of them would find, if anything, at one moment.
func (h *hub) look(channel string) (subscribers int, cached cachedEvent, ok bool) {
	s := h.shard(channel)
	s.channelsMu.Lock()
	defer s.channelsMu.Unlock()
	if isCache(channel) {
		cached, ok = h.cache.get(channel)
	}
	return len(s.channels[channel]), cached, ok
}

// count takes the shards one after the other: it is exact only while nobody comes or goes.
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
