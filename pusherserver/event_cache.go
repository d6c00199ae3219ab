package pusherserver

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// cachedEventOverhead is about how many bytes an entry needs in addition to its name and frame.
const cachedEventOverhead = 256

// eventCache keeps the last event of each cache channel of one app. Its lock is taken after that of a hubShard. So a
// caller that holds the lock of a channel sees the same last event as its subscribers.
type eventCache struct {
	ttl      time.Duration
	maxBytes int
	now      func() time.Time

	eventsMu sync.Mutex
	events   *simplelru.LRU[string, cachedEvent] // in the order of put, because only put moves an entry
	bytes    int                                 // of all events
	missed   *simplelru.LRU[string, struct{}]    // channels that had a miss since their last put
}

// cachedEvent is the frame that the subscribers got.
type cachedEvent struct {
	frame   []byte
	expires time.Time
}

// newEventCache returns an empty cache. config must be valid.
func newEventCache(config *Config) *eventCache {
	c := &eventCache{ttl: config.CacheTTL, maxBytes: config.MaxCachedBytes, now: config.Now}
	// The only error is a size below 1, which Config excludes.
	c.events, _ = simplelru.NewLRU(config.MaxCachedEvents, func(channel string, e cachedEvent) { c.bytes -= e.size(channel) })
	c.missed, _ = simplelru.NewLRU[string, struct{}](config.MaxCachedEvents, nil)
	return c
}

func (e cachedEvent) size(channel string) int {
	return len(channel) + len(e.frame) + cachedEventOverhead
}

// put replaces the event of channel. If there is no room, it removes the oldest events of other channels.
func (c *eventCache) put(channel string, frame []byte) {
	c.eventsMu.Lock()
	defer c.eventsMu.Unlock()
	c.missed.Remove(channel)
	c.events.Remove(channel)
	e := cachedEvent{frame: frame, expires: c.now().Add(c.ttl)}
	c.bytes += e.size(channel)
	c.events.Add(channel, e)
	for c.bytes > c.maxBytes {
		c.events.RemoveOldest()
	}
}

// get returns the event of channel, if there is one.
func (c *eventCache) get(channel string) (cachedEvent, bool) {
	c.eventsMu.Lock()
	defer c.eventsMu.Unlock()
	c.expire()
	return c.events.Peek(channel)
}

// miss reports whether this is the first miss of channel since its last put. It keeps no more misses than events, and
// removes the oldest, because strangers choose the names.
func (c *eventCache) miss(channel string) (first bool) {
	c.eventsMu.Lock()
	defer c.eventsMu.Unlock()
	if c.missed.Contains(channel) {
		return false
	}
	c.missed.Add(channel, struct{}{})
	return true
}

// sweep frees the memory of events that have expired.
func (c *eventCache) sweep() {
	c.eventsMu.Lock()
	defer c.eventsMu.Unlock()
	c.expire()
}

// expire removes the events that have expired. The caller must hold eventsMu.
func (c *eventCache) expire() {
	now := c.now()
	for {
		if _, oldest, ok := c.events.GetOldest(); !ok || oldest.expires.After(now) {
			return
		}
		c.events.RemoveOldest()
	}
}

func (c *eventCache) count() int {
	c.eventsMu.Lock()
	defer c.eventsMu.Unlock()
	return c.events.Len()
}

// data returns the published data. It decodes the frame, because data is needed far less often than the frame.
func (e cachedEvent) data() string {
	source := bytes.NewReader(e.frame)
	var published struct {
		Data string `json:"data"`
	}
	// Neither can fail: an eventEncoder made the frame.
	_, _ = ws.ReadHeader(source)
	_ = json.NewDecoder(source).Decode(&published)
	return published.Data
}
