package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

const (
	channelPrefix = "private-user-"
	appKey        = "ceiling"
	// writeTimeout is how long a write to a socket may take before the socket is closed.
	writeTimeout = time.Second
	// maxWaiting limits the bytes that wait for a socket.
	maxWaiting = 1 << 20
)

// sockets holds the WebSockets of the Pusher protocol, by the person who listens. It may be used concurrently.
type sockets struct {
	secret []byte // signs channels, only in this process
	last   atomic.Int64

	// mu guards the listeners and the open sockets.
	mu       sync.RWMutex
	byPerson map[int64][]*socket
	open     map[*socket]struct{}
	closed   bool
	readers  sync.WaitGroup
}

func newSockets() *sockets {
	s := &sockets{secret: make([]byte, 32), byPerson: map[int64][]*socket{}, open: map[*socket]struct{}{}}
	_, _ = rand.Read(s.secret) // never fails, by its contract
	return s
}

// socket is one WebSocket.
type socket struct {
	id   string
	conn net.Conn

	// writing is held while somebody writes, so that frames leave in order.
	writing sync.Mutex
	// mu guards the waiting frames.
	mu      sync.Mutex
	waiting []byte
	spare   []byte // guarded by writing
}

// queue adds a frame to those that wait.
func (s *socket) queue(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting)+len(frame) > maxWaiting {
		s.conn.Close() // then its reader ends and removes it
		return
	}
	s.waiting = append(s.waiting, frame...)
}

// flush returns when all waiting frames have been written, by any goroutine, or the socket is closed.
func (s *socket) flush() {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	frames := s.waiting
	s.waiting = s.spare[:0]
	s.mu.Unlock()
	s.spare = frames
	if len(frames) == 0 {
		return
	}
	s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := s.conn.Write(frames); err != nil {
		s.conn.Close() // then its reader ends and removes it
	}
}

// queue adds a frame to a person's sockets and returns them. The caller must flush them.
func (s *sockets) queue(person int64, frame []byte) []*socket {
	s.mu.RLock()
	defer s.mu.RUnlock()
	listening := s.byPerson[person]
	for _, each := range listening {
		each.queue(frame)
	}
	return listening
}

// authorize signs a person's own channel for a socket. It returns an empty string for any other channel.
func (s *sockets) authorize(person int64, socketID, channel string) string {
	if channel != string(appendChannel(nil, person)) {
		return ""
	}
	return appKey + ":" + s.signature(socketID, channel)
}

func (s *sockets) signature(socketID, channel string) string {
	mac := hmac.New(sha256.New, s.secret)
	_, _ = io.WriteString(mac, socketID+":"+channel) // a hash returns no errors
	return hex.EncodeToString(mac.Sum(nil))
}

// serve answers a request for a WebSocket.
func (s *sockets) serve(w http.ResponseWriter, r *http.Request) {
	conn, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return // Upgrade has answered
	}
	number := s.last.Add(1)
	each := &socket{id: strconv.FormatInt(number, 10) + "." + strconv.FormatInt(number, 10), conn: conn}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		conn.Close()
		return
	}
	s.open[each] = struct{}{}
	s.readers.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.readers.Done()
		s.read(each)
		s.remove(each)
		conn.Close()
	}()
}

// read speaks the Pusher protocol with a client until the socket ends, or breaks the protocol.
func (s *sockets) read(each *socket) {
	established, _ := json.Marshal(`{"socket_id":"` + each.id + `","activity_timeout":120}`) // a string always has JSON
	each.send(`{"event":"pusher:connection_established","data":` + string(established) + `}`)
	for {
		text, err := wsutil.ReadClientText(each.conn)
		if err != nil {
			return
		}
		var message struct {
			Event string `json:"event"`
			Data  struct {
				Channel string `json:"channel"`
				Auth    string `json:"auth"`
			} `json:"data"`
		}
		if err := json.Unmarshal(text, &message); err != nil {
			return
		}
		switch message.Event {
		case "pusher:ping":
			each.send(`{"event":"pusher:pong","data":"{}"}`)
		case "pusher:subscribe":
			channel := message.Data.Channel
			want := appKey + ":" + s.signature(each.id, channel)
			person, err := strconv.ParseInt(strings.TrimPrefix(channel, channelPrefix), 10, 64)
			if err != nil || !hmac.Equal([]byte(want), []byte(message.Data.Auth)) {
				return
			}
			s.add(person, each)
			each.send(`{"event":"pusher_internal:subscription_succeeded","channel":"` + channel + `","data":"{}"}`)
		}
	}
}

func (s *socket) send(text string) {
	s.queue(textFrame([]byte(text)))
	s.flush()
}

// add registers a socket for a person's events. It replaces the list and never changes it, because queue returns it.
func (s *sockets) add(person int64, each *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byPerson[person] = append(slices.Clip(s.byPerson[person]), each)
}

func (s *sockets) remove(each *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, each)
	for person, listening := range s.byPerson {
		var left []*socket
		for _, other := range listening {
			if other != each {
				left = append(left, other)
			}
		}
		if len(left) == 0 {
			delete(s.byPerson, person)
		} else if len(left) < len(listening) {
			s.byPerson[person] = left
		}
	}
}

// close closes all sockets, and returns when they have ended.
func (s *sockets) close() {
	s.mu.Lock()
	s.closed = true
	for each := range s.open {
		each.conn.Close()
	}
	s.mu.Unlock()
	s.readers.Wait()
}
