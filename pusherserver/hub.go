package pusherserver

import (
	"hash/maphash"
	"sync"
)

// shardCount lets subscriptions to one channel go on while an event is handed to a crowd on another.
const shardCount = 32

// hub knows who is subscribed to which channel of one app. A channel exists while it has subscribers.
type hub struct {
	seed   maphash.Seed
	shards [shardCount]hubShard
}

// hubShard holds the channels whose names hash to it. Its lock comes before those of send queues, never after.
type hubShard struct {
	channelsMu    sync.Mutex
	channels      map[string]map[*connection]struct{}
	subscriptions int
}

func newHub() *hub {
	h := &hub{seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].channels = make(map[string]map[*connection]struct{})
	}
	return h
}

func (h *hub) shard(channel string) *hubShard {
	return &h.shards[maphash.String(h.seed, channel)%shardCount]
}

// subscribe sends confirmation to c and makes it a subscriber in one step: no event of channel comes before it and none
// after it is missed. Doing so again only confirms again.
func (h *hub) subscribe(channel string, c *connection, confirmation []byte) {
	s := h.shard(channel)
	s.channelsMu.Lock()
	defer s.channelsMu.Unlock()
	subscribers, ok := s.channels[channel]
	if !ok {
		subscribers = make(map[*connection]struct{})
		s.channels[channel] = subscribers
	}
	if _, ok := subscribers[c]; !ok {
		subscribers[c] = struct{}{}
		s.subscriptions++
	}
	c.queue.send(confirmation)
}

// unsubscribe ignores what c is not subscribed to.
func (h *hub) unsubscribe(channel string, c *connection) {
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
	}
}

// publish queues frame for every subscriber of channel but the socket called except. The lock is held throughout: that
// is what gives all subscribers the same order. It returns how many got the frame and how many are subscribed.
func (h *hub) publish(channel string, frame []byte, except string) (delivered uint64, subscribed int) {
	s := h.shard(channel)
	s.channelsMu.Lock()
	defer s.channelsMu.Unlock()
	subscribers := s.channels[channel]
	for c := range subscribers {
		if c.socketID != except && c.queue.send(frame) {
			delivered++
		}
	}
	return delivered, len(subscribers)
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
