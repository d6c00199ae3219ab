package realtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/ent"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
)

const (
	// streamPage is how many events the reader of streams reads at once.
	streamPage = 100
	// streamPause is the wait after an error of the database.
	streamPause = time.Second
	// registrationsPerPlace times SubscriptionsConfig.PerPerson is how many subscriptions a person may begin in a
	// minute. There is a limit because each of them is a new row.
	registrationsPerPlace = 5
)

// SubscriptionsDeps is what NewSubscriptions needs besides the configuration.
type SubscriptionsDeps struct {
	Client *ent.Client
	Log    *outbox.Log
	Pusher *pusherapi.Client
	Logger *slog.Logger
	// Sockets is the embedded server. It is nil if another Pusher is configured.
	Sockets bridge.Sockets
	// Executor returns the executor that runs the operations. Load is the first to call it.
	Executor func() graphql.GraphExecutor
	// StreamError sets the error with which a stream ends.
	StreamError func(ctx context.Context, err error)
}

// Subscriptions is the bridge over our log, our table and our accounts. It has two readers of the log: one for the
// stored subscriptions, whose progress is stored, and one for the streams. Load and then Run must be called once each,
// in this order. All other methods may be called concurrently.
type Subscriptions struct {
	*bridge.Bridge
	log      *slog.Logger
	follower *outbox.Follower
	streams  *outbox.Reader
}

// NewSubscriptions returns the subscriptions of an installation; pusher has the namespace of their channels. Streams
// get the events that commit after this call.
func NewSubscriptions(ctx context.Context, pusher Config, c SubscriptionsConfig, deps SubscriptionsDeps) (*Subscriptions, error) {
	config, err := c.forBridge(pusher.Namespace)
	if err != nil {
		return nil, err
	}
	limiter, err := auth.NewLimiter[string](registrationsPerPlace * c.PerPerson)
	if err != nil {
		return nil, err
	}
	s := &Subscriptions{log: deps.Logger}
	if s.follower, err = outbox.NewFollower(outbox.FollowerConfig{
		Log: deps.Log, Logger: deps.Logger, Reader: outbox.Subscriptions, Publish: s.publish, Resume: s.resume,
	}); err != nil {
		return nil, err
	}
	s.Bridge, err = bridge.New(config, bridge.Deps{
		Pusher: deps.Pusher, Log: NewLog(deps.Log), Store: NewStore(deps.Client, deps.Log), Identity: NewIdentity(deps.Client),
		Logger: deps.Logger, Executor: deps.Executor, Sockets: deps.Sockets, StreamError: deps.StreamError,
		CheckTopic: checkTopic,
		Register:   func(v bridge.Viewer) error { return allow(limiter, v, c.PerPerson) },
		Lagging: func(t bridge.Topic, attempts int, until time.Time, why string) {
			s.follower.Note(string(t), attempts, until, why)
		},
	})
	if err != nil {
		return nil, err
	}
	end, err := deps.Log.End(ctx)
	if err != nil {
		return nil, err
	}
	s.streams = deps.Log.Read(end)
	return s, nil
}

// checkTopic returns an error unless t is the text of an outbox.Topic.
func checkTopic(t bridge.Topic) error {
	_, err := outbox.ParseTopic(string(t))
	return err
}

// allow counts one new subscription of a person. At the limit it returns an *auth.RateLimitError that names the limit.
func allow(limiter *auth.Limiter[string], v bridge.Viewer, places int) error {
	err := limiter.Allow(v.User)
	if limited, ok := errors.AsType[*auth.RateLimitError](err); ok {
		return &auth.RateLimitError{RetryAfter: limited.RetryAfter, Limit: fmt.Sprintf(
			"a person may begin %d subscriptions a minute (%d times %s): keep those that you have",
			registrationsPerPlace*places, registrationsPerPlace, perPerson)}
	}
	return err
}

// Run delivers events until ctx ends. Then it delivers the events that have committed until then, in at most
// outbox.DefaultDrain, and stores the state of the subscriptions. It returns an error only if it cannot read the
// progress of its reader. It must be called once, after Load.
func (s *Subscriptions) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ctx, end := context.WithCancel(ctx) // so that the other loops end if the follower could not begin
	defer end()
	var group sync.WaitGroup
	group.Go(func() {
		if err := s.Bridge.Run(work); err != nil {
			s.log.ErrorContext(work, "the last state of subscriptions could not be written", slog.Any("error", err))
		}
	})
	group.Go(func() { s.feedStreams(ctx) })
	late, endDrain := context.WithCancel(work)
	defer endDrain()
	drains := context.AfterFunc(ctx, func() { time.AfterFunc(outbox.DefaultDrain, endDrain) })
	defer drains()
	err := s.follower.Run(ctx, late)
	end()
	stop()
	group.Wait()
	return err
}

// publish passes the next event to the stored subscriptions. It returns the topics on which delivery is not finished.
// For outbox each of them is a recipient.
func (s *Subscriptions) publish(entry outbox.Entry, done func()) (recipients []string) {
	for _, t := range s.Publish(newEvent(entry.Event, entry.Answered), done, topicsOf(entry.Event)...) {
		recipients = append(recipients, string(t))
	}
	return recipients
}

// resume continues a topic that an earlier process had not finished.
func (s *Subscriptions) resume(topic string, _ outbox.Cursor, done func()) {
	if err := checkTopic(bridge.Topic(topic)); err != nil {
		s.log.Error("a parked topic cannot be parsed, and is skipped", slog.Any("error", err))
		done()
		return
	}
	s.Resume(bridge.Topic(topic), done)
}

// Retry tries the subscriptions to a topic that lag now, or those to all topics if topic is empty. It returns how many
// there are.
func (s *Subscriptions) Retry(topic string) int { return s.Bridge.Retry(bridge.Topic(topic)) }

// feedStreams passes each event to the streams as soon as it is in the log, until ctx ends.
func (s *Subscriptions) feedStreams(ctx context.Context) {
	defer s.streams.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.streams.Ready():
		}
		entries, err := s.streams.Next(ctx, streamPage)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "events could not be read for streams; trying again", slog.Any("error", err))
			if !pause(ctx, streamPause) {
				return
			}
			s.streams.Again()
		}
		for _, entry := range entries {
			s.Stream(newEvent(entry.Event, nil), topicsOf(entry.Event)...)
		}
	}
}

// pause waits for d. It reports false if ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
