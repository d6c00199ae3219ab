package pusherserver_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// BenchmarkPublishTo1000 measures one event of 512 bytes until all of 1000 subscribers on TCP have it. It includes the
// HTTP request, without TCP, and the reading clients.
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
		c.conn.SetReadDeadline(time.Time{}) // the measurement may take longer than patience
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

// BenchmarkTrigger measures the HTTP API alone, without subscribers: signature, checks and encoding.
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

// BenchmarkFanOut measures one event for 2000 channels with one subscriber each, in 20 requests for 100 channels. A
// GraphQL subscription with 2000 subscribers causes such requests. It ends when all sockets have the event. It includes
// the requests, without TCP, and the reading clients.
func BenchmarkFanOut(b *testing.B) {
	const subscribers = 2000
	s := start(b, nil)
	arrived := make(chan struct{}, subscribers)
	data := strings.Repeat("x", 512)
	requests := make([]fanOutRequest, subscribers/100)
	clients := make([]*client, subscribers)
	for i := range clients {
		channel := fanOutChannel(i)
		c := s.connect()
		clients[i] = c
		c.subscribe(channel)
		requests[i/100].channels = append(requests[i/100].channels, channel)
		frame := len(fmt.Sprintf(`{"event":"edited","channel":%q,"data":%q}`, channel, data)) + 4
		c.conn.SetReadDeadline(time.Time{}) // the measurement may take longer than patience
		go func() {
			buffer := make([]byte, frame)
			for {
				if _, err := io.ReadFull(c.conn, buffer); err != nil {
					return
				}
				arrived <- struct{}{}
			}
		}()
	}
	for i := range requests {
		requests[i].sign(b, data)
	}
	var before, after syscall.Rusage
	b.ReportAllocs()
	b.ResetTimer()
	cpu(b, &before)
	for range b.N {
		for _, request := range requests {
			request.send(b, s.RoundTripper())
		}
		for range subscribers {
			<-arrived
		}
	}
	b.StopTimer()
	cpu(b, &after)
	deliveries := float64(b.N) * subscribers
	spent := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(spent)/deliveries, "cpu-ns/delivery")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/deliveries, "ns/delivery")
	for _, c := range clients {
		c.conn.Close()
	}
}

// BenchmarkFanOutToNobody measures one request for 100 channels without subscribers.
func BenchmarkFanOutToNobody(b *testing.B) {
	s := newServer(b, nil)
	var request fanOutRequest
	for i := range 100 {
		request.channels = append(request.channels, fanOutChannel(i))
	}
	request.sign(b, strings.Repeat("x", 512))
	b.ReportAllocs()
	for b.Loop() {
		request.send(b, s.RoundTripper())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/channel")
}

// fanOutRequest is one event for many channels. It is signed once, because the publisher is not measured.
type fanOutRequest struct {
	channels []string
	url      string
	body     string
}

func fanOutChannel(i int) string { return fmt.Sprintf("private-graphql-%032x", i) }

func (r *fanOutRequest) sign(b *testing.B, data string) {
	b.Helper()
	body, err := json.Marshal(map[string]any{"name": "edited", "channels": r.channels, "data": data})
	if err != nil {
		b.Fatal(err)
	}
	const path = "/apps/" + appID + "/events"
	r.url, r.body = "http://loopback"+path+"?"+signedQuery(path, string(body), time.Now()), string(body)
}

func (r *fanOutRequest) send(b *testing.B, transport http.RoundTripper) {
	b.Helper()
	request, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader(r.body))
	if err != nil {
		b.Fatal(err)
	}
	if status, answer := do(b, transport, request); status != http.StatusOK {
		b.Fatal(status, answer)
	}
}

func cpu(b *testing.B, usage *syscall.Rusage) {
	b.Helper()
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, usage); err != nil {
		b.Fatal(err)
	}
}
