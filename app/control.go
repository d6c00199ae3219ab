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

// Events is what an operator can do with events that wait. A running server implements it, and so does a command that
// has opened the database.
type Events interface {
	// List returns the events that wait or are never sent, the oldest first.
	List(ctx context.Context) ([]outbox.Parked, error)
	// Retry tries the events of one recipient now. A recipient is a person's id or a topic. The error is an
	// outbox.ErrNotWaiting if no event waits there.
	Retry(ctx context.Context, recipient string) error
	// RetryAll tries the events of all recipients now. It returns how many people and subscriptions these are.
	RetryAll(ctx context.Context) (int, error)
	// Skip settles an event without sending it. The error is an outbox.ErrNotWaiting if the event does not wait.
	Skip(ctx context.Context, eventID int, why string) error
}

// Topics are the subscriptions of a running server. realtime.Subscriptions implements it.
type Topics interface {
	// Retry tries the subscriptions to a topic that lag now, or those to all topics if it is empty. It returns how many
	// there are.
	Retry(topic string) int
}

// running implements Events for this server.
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

// List implements Events.
func (r running) List(ctx context.Context) ([]outbox.Parked, error) { return r.log.ListParked(ctx) }

// SocketPath returns the path of the unix socket on which a server with this database gets commands.
func SocketPath(database string) string { return database + ".sock" }

// maxSocketPath is how many bytes the path of a unix socket may have on every system.
const maxSocketPath = 103

// Control answers an operator's commands on a unix socket. Run and Close may be called concurrently.
type Control struct {
	listener net.Listener
	events   Events
	log      *slog.Logger
}

// NewControl listens on a socket beside a database. The caller must hold the database's lock, because NewControl
// removes a socket that an earlier server left there. Only the user who runs the server can open the socket.
func NewControl(database string, relay *outbox.Relay, events *outbox.Log, topics Topics, log *slog.Logger) (*Control, error) {
	path := SocketPath(database)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path of the socket %s has %d bytes, the system allows %d: move the database to a shorter path, "+
			"or stop the server before a command", path, len(path), maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	before := syscall.Umask(0o177) // so that the socket never has other permissions
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	syscall.Umask(before)
	if err != nil {
		return nil, fmt.Errorf("listen for commands: %w", err)
	}
	return &Control{listener: listener, events: running{relay, events, topics}, log: log}, nil
}

// Run answers commands until ctx ends. It returns nil. Either Run or Close must be called once.
func (c *Control) Run(ctx context.Context) error {
	server := &http.Server{
		Handler: c.routes(), ReadHeaderTimeout: commandTimeout, WriteTimeout: 2 * commandTimeout,
		ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelWarn),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
		c.log.ErrorContext(ctx, "the socket for commands failed", slog.Any("error", err))
	}
	return nil
}

// Close stops listening. It is for a Control that never ran.
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

// answer writes a result as JSON, or an error as text. The status is 404 if no such event waits, and 409 if the event
// is being sent.
func answer(w http.ResponseWriter, result any, err error) {
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(result) // fails if the client is gone
	case errors.Is(err, outbox.ErrNotWaiting):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, outbox.ErrBeingSent):
		http.Error(w, err.Error(), http.StatusConflict)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
