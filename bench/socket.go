package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// socket is a minimal Pusher client: it connects, joins channels and reads. Only one goroutine may use it, but close
// may be called and pings may be read at any time.
type socket struct {
	conn net.Conn
	io.Reader
	io.Writer
	id    string       // the server's socket_id
	pings atomic.Int64 // answered so far
}

// message is a frame of the Pusher protocol.
type message struct {
	Event   string `json:"event"`
	Channel string `json:"channel"`
	Data    text   `json:"data"`
}

// text is the data of a message: JSON. Servers send it inside a string, or directly.
type text []byte

// UnmarshalJSON decodes data in either form.
func (t *text) UnmarshalJSON(raw []byte) error {
	if len(raw) == 0 || raw[0] != '"' {
		*t = append((*t)[:0], raw...)
		return nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	*t = text(s)
	return err
}

// dialSocket connects to the WebSocket URL and waits for the server's handshake.
func dialSocket(ctx context.Context, url string) (*socket, error) {
	dialer := ws.Dialer{Timeout: answerTimeout}
	conn, early, _, err := dialer.Dial(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect a socket: %w", err)
	}
	if early == nil { // otherwise it holds frames that arrived with the handshake
		early = bufio.NewReader(conn)
	}
	s := &socket{conn: conn, Reader: early, Writer: conn}
	if s.id, err = s.established(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) established() (string, error) {
	s.conn.SetDeadline(time.Now().Add(answerTimeout))
	m, err := s.next()
	if err != nil {
		return "", err
	}
	var data struct {
		SocketID string `json:"socket_id"`
	}
	if err := json.Unmarshal(m.Data, &data); err != nil || m.Event != "pusher:connection_established" || data.SocketID == "" {
		return "", fmt.Errorf("the socket began with %s %s instead of its handshake", m.Event, m.Data)
	}
	return data.SocketID, nil
}

// subscribe joins a private channel with the signature of /pusher/auth, and waits for the server's confirmation.
// After that, reads have no deadline.
func (s *socket) subscribe(channel, auth string) error {
	s.conn.SetDeadline(time.Now().Add(answerTimeout))
	if err := s.send("pusher:subscribe", map[string]string{"channel": channel, "auth": auth}); err != nil {
		return err
	}
	m, err := s.next()
	if err != nil {
		return err
	}
	if m.Event != "pusher_internal:subscription_succeeded" || m.Channel != channel {
		return fmt.Errorf("joining %s was answered with %s %s", channel, m.Event, m.Data)
	}
	s.conn.SetDeadline(time.Time{})
	return nil
}

// next returns the next message and answers pings meanwhile.
func (s *socket) next() (message, error) {
	for {
		frame, _, err := wsutil.ReadServerData(s)
		if err != nil {
			if closed, ok := errors.AsType[wsutil.ClosedError](err); ok {
				return message{}, fmt.Errorf("the server closed the socket with %d %s", closed.Code, closed.Reason)
			}
			return message{}, fmt.Errorf("read a socket: %w", err)
		}
		var m message
		if err := json.Unmarshal(frame, &m); err != nil {
			return message{}, fmt.Errorf("decode a message: %w", err)
		}
		if m.Event != "pusher:ping" {
			return m, nil
		}
		s.pings.Add(1)
		if err := s.send("pusher:pong", map[string]string{}); err != nil {
			return message{}, err
		}
	}
}

func (s *socket) send(event string, data map[string]string) error {
	frame, err := json.Marshal(map[string]any{"event": event, "data": data})
	if err != nil {
		return err
	}
	if err := wsutil.WriteClientText(s, frame); err != nil {
		return fmt.Errorf("write to a socket: %w", err)
	}
	return nil
}

func (s *socket) close() { s.conn.Close() }
