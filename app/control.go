package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"lorebridge/outbox"
)

// Events is what an operator can do with the events that wait: a running server does it, or who has opened the
// database.
type Events interface {
	// List returns what waits and what is never sent, the oldest first.
	List(ctx context.Context) ([]outbox.Parked, error)
	// Retry has the events of one recipient tried now, which is a person's id or a topic. If none waits the error is an
	// outbox.ErrNotWaiting.
	Retry(ctx context.Context, recipient string) error
	// RetryAll has those of all recipients tried now, and returns how many people and subscriptions that are.
	RetryAll(ctx context.Context) (int, error)
	// Skip settles an event that waits without sending it. Others are an outbox.ErrNotWaiting.
	Skip(ctx context.Context, eventID int, why string) error
}

// Topics are the subscriptions of the server that runs: those that lag can be tried at once. realtime.Subscriptions is
// it.
type Topics interface {
	// Retry has the subscriptions to a topic tried now, or to all if it is empty, and returns how many there are.
	Retry(topic string) int
}

// running are the events of the server that runs.
type running struct {
	*outbox.Relay
	log    *outbox.Log
	topics Topics
}

// Retry implements Events.
func (r running) Retry(ctx context.Context, recipient string) error {
	if person, ok := outbox.PersonOf(recipient); ok {
		return r.Relay.Retry(ctx, person)
	}
	if r.topics.Retry(recipient) == 0 {
		return fmt.Errorf("%w: recipient %s", outbox.ErrNotWaiting, recipient)
	}
	return nil
}

// RetryAll implements Events.
func (r running) RetryAll(ctx context.Context) (int, error) {
	people, err := r.Relay.RetryAll(ctx)
	return people + r.topics.Retry(""), err
}

func (r running) List(ctx context.Context) ([]outbox.Parked, error) { return r.log.ListParked(ctx) }

// SocketPath is where the control of the server with a database listens.
func SocketPath(database string) string { return database + ".sock" }

// maxSocketPath is how long the path of a unix socket may be on all systems.
const maxSocketPath = 103

// Control is a server's door for its operator.
type Control struct {
	listener net.Listener
	events   Events
	log      *slog.Logger
}

// NewControl listens beside a database, whose lock the caller has: a socket that is there already was left by a
// server that is gone. The socket is its owner's alone.
func NewControl(database string, relay *outbox.Relay, events *outbox.Log, topics Topics, log *slog.Logger) (*Control, error) {
	path := SocketPath(database)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path of the socket %s has %d bytes, the system allows %d: move the database to a shorter path, "+
			"or stop the server before a command", path, len(path), maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	before := syscall.Umask(0o177) // from its first moment on
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	syscall.Umask(before)
	if err != nil {
		return nil, fmt.Errorf("listen for commands: %w", err)
	}
	return &Control{listener: listener, events: running{relay, events, topics}, log: log}, nil
}

// Run answers until ctx ends. It returns nil; it must be called once, or Close.
func (c *Control) Run(ctx context.Context) error {
	server := &http.Server{
		Handler: c.routes(), ReadHeaderTimeout: commandTimeout, WriteTimeout: 2 * commandTimeout,
		ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelWarn),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
		c.log.ErrorContext(ctx, "commands are not answered any more", slog.Any("error", err))
	}
	return nil
}

// Close ends a control that never ran.
func (c *Control) Close() error { return c.listener.Close() }

// commandTimeout is how long a command may take.
const commandTimeout = 10 * time.Second

func (c *Control) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		list, err := c.events.List(r.Context())
		answer(w, list, err)
	})
	mux.HandleFunc("POST /events/retry", func(w http.ResponseWriter, r *http.Request) {
		n, err := c.events.RetryAll(r.Context())
		answer(w, n, err)
	})
	mux.HandleFunc("POST /events/retry/{recipient}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 1, c.events.Retry(r.Context(), r.PathValue("recipient")))
	})
	mux.HandleFunc("POST /events/skip/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err == nil {
			err = c.events.Skip(r.Context(), id, r.FormValue("why"))
		}
		answer(w, id, err)
	})
	return mux
}

// answer writes a result as JSON, or an error as text: 404 if nothing of that waits, 409 if it is being sent.
func answer(w http.ResponseWriter, result any, err error) {
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(result) // the asker may be gone
	case errors.Is(err, outbox.ErrNotWaiting):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, outbox.ErrBeingSent):
		http.Error(w, err.Error(), http.StatusConflict)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
