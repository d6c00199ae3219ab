package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// signingUp is the number of concurrent sign-ups, because each hash of a password takes a core.
const signingUp = 4

// account is a person of this run.
type account struct{ id, token string }

// target is a server with the people of this run: requesters, who send, and recipients, whose sockets receive.
type target struct {
	server
	mark       string    // makes e-mail addresses and questions unique to the run
	epoch      time.Time // all times of the run are durations since then
	requesters []account // one for each client of the largest load
	recipients []account
	sockets    []*socket // by recipient
	received   receiver[arrival]
	asked      atomic.Int64 // questions so far
	closing    atomic.Bool
}

func newTarget(s server) *target {
	now := time.Now()
	return &target{server: s, mark: strconv.FormatInt(now.UnixNano(), 36), epoch: now}
}

// now returns the time since the target's epoch.
func (t *target) now() time.Duration { return time.Since(t.epoch) }

// populate signs everybody up and connects the recipients.
func (t *target) populate(ctx context.Context, recipients, requesters int) error {
	if err := t.signAllUp(ctx, recipients, requesters); err != nil {
		return err
	}
	return t.connectRecipients(ctx)
}

// signAllUp creates the accounts.
func (t *target) signAllUp(ctx context.Context, recipients, requesters int) error {
	t.recipients = make([]account, recipients)
	t.requesters = make([]account, requesters)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(signingUp)
	for name, people := range map[string][]account{"Owner": t.recipients, "Requester": t.requesters} {
		for i := range people {
			group.Go(func() (err error) {
				people[i], err = t.signUp(ctx, fmt.Sprintf("%s %d", name, i))
				return err
			})
		}
	}
	return group.Wait()
}

// connectRecipients connects all recipients.
func (t *target) connectRecipients(ctx context.Context) error {
	t.sockets = make([]*socket, len(t.recipients))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(signingUp)
	for i := range t.recipients {
		group.Go(func() (err error) {
			t.sockets[i], err = t.connectRecipient(ctx, t.recipients[i])
			return err
		})
	}
	return group.Wait()
}

func (t *target) signUp(ctx context.Context, name string) (account, error) {
	c, err := dial(ctx, t.url)
	if err != nil {
		return account{}, err
	}
	defer c.close()
	var data struct {
		SignUp struct {
			User  struct{ ID string }
			Token string
		}
	}
	err = c.queryInto("", operation{signUpDocument, map[string]any{"input": map[string]string{
		"name":     name,
		"email":    fmt.Sprintf("%x@%s.example", name, t.mark),
		"password": "measure " + t.mark,
		"session":  "TOKEN",
	}}}, &data)
	if err != nil {
		return account{}, fmt.Errorf("sign up: %w", err)
	}
	return account{id: data.SignUp.User.ID, token: data.SignUp.Token}, nil
}

// place is the address that a person's browser connects to.
type place struct{ socketURL, authEndpoint, channel string }

// whereTo asks the server for the person's place.
func (c *connection) whereTo(a account) (place, error) {
	var data struct {
		Realtime struct {
			Key, AuthEndpoint, Channel string
			Cluster, Host              *string
			Port                       *int
			TLS                        bool
		}
	}
	if err := c.queryInto(a.token, operation{Query: realtimeDocument}, &data); err != nil {
		return place{}, fmt.Errorf("ask where to connect: %w", err)
	}
	r := data.Realtime
	if r.Host == nil || r.Port == nil || r.Channel != "private-user-"+a.id {
		return place{}, errors.New("this server uses hosted Pusher or end-to-end encryption: bench measures neither")
	}
	u := url.URL{
		Scheme: "ws", Host: net.JoinHostPort(*r.Host, strconv.Itoa(*r.Port)), Path: "/app/" + r.Key,
		RawQuery: "protocol=7&client=bench&version=1&flash=false",
	}
	if r.TLS {
		u.Scheme = "wss"
	}
	return place{socketURL: u.String(), authEndpoint: r.AuthEndpoint, channel: r.Channel}, nil
}

// join gets the authorization of a channel for the socket and subscribes to it.
func (c *connection) join(s *socket, authEndpoint, token, channel string) error {
	form := url.Values{"socket_id": {s.id}, "channel_name": {channel}}
	answer, err := c.post(authEndpoint, token, "application/x-www-form-urlencoded", []byte(form.Encode()))
	var granted struct {
		Auth string `json:"auth"`
	}
	if err == nil {
		err = json.Unmarshal(answer, &granted)
	}
	if err == nil {
		err = s.subscribe(channel, granted.Auth)
	}
	if err != nil {
		return fmt.Errorf("join %s: %w", channel, err)
	}
	return nil
}

// connectRecipient does the same as a browser before its first event: it asks where to connect, connects, and joins
// its person's channel.
func (t *target) connectRecipient(ctx context.Context, a account) (*socket, error) {
	c, err := dial(ctx, t.url)
	if err != nil {
		return nil, err
	}
	defer c.close()
	to, err := c.whereTo(a)
	if err != nil {
		return nil, err
	}
	s, err := dialSocket(ctx, to.socketURL)
	if err != nil {
		return nil, err
	}
	if err := c.join(s, to.authEndpoint, a.token, to.channel); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// listen puts the events of a recipient's socket into received, until close.
func (t *target) listen(recipient int) error {
	s, channel := t.sockets[recipient], "private-user-"+t.recipients[recipient].id
	for {
		m, err := s.next()
		at := t.now()
		var payload struct {
			RequestID int64 `json:"requestId"`
		}
		switch {
		case t.closing.Load():
			return nil
		case err != nil:
			return fmt.Errorf("recipient %d: %w", recipient, err)
		case m.Event != "knowledge-request" || m.Channel != channel:
			return fmt.Errorf("recipient %d got %s on %q", recipient, m.Event, m.Channel)
		}
		if err := json.Unmarshal(m.Data, &payload); err != nil {
			return fmt.Errorf("decode an event: %w", err)
		}
		t.received.add(arrival{requestID: payload.RequestID, recipient: recipient, at: at})
	}
}

// close disconnects the recipients. It may be called more than once.
func (t *target) close() {
	t.closing.Store(true)
	for _, s := range t.sockets {
		if s != nil {
			s.close()
		}
	}
}
