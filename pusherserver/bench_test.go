package pusherserver_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkPublishTo1000 measures one event of 512 bytes until all of 1000 subscribers on TCP have it, the HTTP request
// without TCP and the reading clients included.
func BenchmarkPublishTo1000(b *testing.B) {
	const subscribers = 1000
	s := start(b, nil)
	var received atomic.Int64
	arrived := make(chan struct{}, 1)
	var target atomic.Int64
	clients := make([]*client, subscribers)
	for i := range clients {
		c := s.connect()
		clients[i] = c
		c.subscribe("news")
		go func() {
			buffer := make([]byte, 4<<10)
			for {
				n, err := c.conn.Read(buffer)
				if err != nil {
					return
				}
				if received.Add(int64(n)) == target.Load() {
					arrived <- struct{}{}
				}
			}
		}()
	}
	data := strings.Repeat("x", 512)
	frame := len(fmt.Sprintf(`{"event":"edited","channel":"news","data":%q}`, data)) + 4
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		target.Store(int64(i+1) * int64(frame) * subscribers)
		s.trigger("news", "edited", data)
		<-arrived
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/subscribers, "ns/delivery")
	b.StopTimer()
	for _, c := range clients {
		c.conn.Close()
	}
}

// BenchmarkTrigger measures the HTTP API alone: signature, checks and encoding, with nobody listening.
func BenchmarkTrigger(b *testing.B) {
	s := newServer(b, nil)
	r := &running{Server: s, t: b}
	b.ReportAllocs()
	for b.Loop() {
		r.trigger("news", "edited", "{}")
	}
}

// BenchmarkConnect measures a connection from the dial to the handshake and back.
func BenchmarkConnect(b *testing.B) {
	s := start(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		c := s.connect()
		c.conn.Close()
	}
}
