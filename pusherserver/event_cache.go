package pusherserver

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// cachedEventOverhead is about what an entry needs beside its name and frame.
const cachedEventOverhead = 256

// eventCache keeps the last event of each cache channel of one app. Its lock comes after that of a hubShard: what is
// put and got with the channel locked agrees with what its subscribers get.
type eventCache struct {
	ttl      time.Duration
	maxBytes int
	now      func() time.Time

	eventsMu sync.Mutex
	events   *simplelru.LRU[string, cachedEvent] // in the order of put, for nothing else moves an entry
	bytes    int                                 // of all events
	missed   *simplelru.LRU[string, struct{}]    // channels that were found empty, and nothing was put since
}

// cachedEvent is a frame as the subscribers got it.
type cachedEvent struct {
	frame   []byte
	expires time.Time
}

// newEventCache needs the limits of a valid config.
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

// put replaces the event of channel. For its room the oldest events of other channels go, if they must.
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

// miss reports whether this is the first miss of channel since something was put. It forgets the oldest of the misses
// rather than keep more than there may be events: strangers choose the names.
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

// expire needs eventsMu.
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

// data returns what was published. It is read back from the frame, for it is asked for far less often than kept.
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
