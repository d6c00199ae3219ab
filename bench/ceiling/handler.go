package main

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

const (
	maxBody     = 64 << 10
	maxQuestion = 2000 // characters
	readers     = 2    // connections for looking up sessions
)

// ceiling answers requests. It may be used concurrently.
type ceiling struct {
	readers  chan *reader
	store    *store
	groups   *groups
	sockets  *sockets
	progress *progress
	log      *slog.Logger
	buffers  sync.Pool // of *buffer
}

// buffer holds the memory of one request, for reuse.
type buffer struct{ body, answer []byte }

// newCeiling opens the database at path. The caller closes it.
func newCeiling(path string) (_ *ceiling, err error) {
	c := &ceiling{readers: make(chan *reader, readers), sockets: newSockets(), log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	c.buffers.New = func() any { return &buffer{body: make([]byte, 0, 2048), answer: make([]byte, 0, 512)} }
	if c.store, err = openStore(path); err != nil {
		return nil, err
	}
	for range readers {
		r, err := openReader(path)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.readers <- r
	}
	c.groups = &groups{tx: c.store}
	c.progress = &progress{groups: c.groups, store: c.store}
	return c, nil
}

// close closes the database. No request may be in progress.
func (c *ceiling) close() error {
	close(c.readers)
	var errs []error
	for r := range c.readers {
		errs = append(errs, r.close())
	}
	return errors.Join(append(errs, c.store.close())...)
}

// handler returns the routes that a client of createKnowledgeRequest needs, with those of the Pusher protocol.
func (c *ceiling) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /graphql", c.graphql)
	mux.HandleFunc("POST /pusher/auth", c.authorize)
	mux.HandleFunc("GET /app/"+appKey, c.sockets.serve)
	return mux
}

// codes are the codes of the errors that a client can do something about.
var codes = map[error]string{errNoSession: "UNAUTHENTICATED", errNoOwner: "NOT_FOUND", errInput: "BAD_USER_INPUT", errJSON: "BAD_REQUEST"}

var errInput = errors.New("the input is not valid: give ownerId of another person, and a question of 1 to 2000 characters")

func (c *ceiling) graphql(w http.ResponseWriter, r *http.Request) {
	b := c.buffers.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
	defer c.buffers.Put(b)
	err := c.answer(r, b)
	if err != nil {
		code, known := codes[err]
		message := err.Error()
		if !known {
			c.log.ErrorContext(r.Context(), "a request failed", slog.Any("error", err))
			code, message = "INTERNAL", "internal error"
		}
		b.answer = append(b.answer[:0], `{"errors":[{"message":`...)
		b.answer = appendText(b.answer, message)
		b.answer = append(b.answer, `,"extensions":{"code":"`+code+`"}}]}`...)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b.answer) // if this fails, the client has disconnected
}

// answer writes the answer to a GraphQL request into the buffer.
func (c *ceiling) answer(r *http.Request, b *buffer) (err error) {
	if b.body, err = readAll(r.Body, b.body[:0]); err != nil {
		return errJSON
	}
	a, err := decode(b.body)
	if err != nil {
		return err
	}
	viewer, err := c.viewer(r)
	if err != nil {
		return err
	}
	switch {
	case strings.Contains(a.query, "createKnowledgeRequest("):
		created, err := c.create(viewer, a)
		if err != nil {
			return err
		}
		b.answer = appendAnswer(b.answer[:0], created)
		return nil
	case strings.Contains(a.query, "realtime {"):
		b.answer, err = appendRealtime(b.answer[:0], viewer, r.Host)
		return err
	default:
		return errInput
	}
}

// readAll appends a body of at most maxBody bytes.
func readAll(body io.Reader, to []byte) ([]byte, error) {
	for {
		if len(to) == cap(to) {
			to = append(to, 0)[:len(to)]
		}
		n, err := body.Read(to[len(to):cap(to)])
		to = to[:len(to)+n]
		switch {
		case errors.Is(err, io.EOF):
			return to, nil
		case err != nil:
			return to, err
		case len(to) > maxBody:
			return to, errJSON
		}
	}
}

// viewer returns the person whose bearer token the request shows.
func (c *ceiling) viewer(r *http.Request) (viewer, error) {
	token, shown := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !shown {
		return viewer{}, errNoSession
	}
	reader := <-c.readers
	defer func() { c.readers <- reader }()
	return reader.viewer(token)
}

// create writes a request and its event. It returns when the event has been written to the owner's sockets.
func (c *ceiling) create(v viewer, a asked) (created, error) {
	owner, err := strconv.ParseInt(a.ownerID, 10, 64)
	question := strings.TrimSpace(a.question)
	if err != nil || owner == v.id || question == "" || utf8.RuneCountInString(question) > maxQuestion ||
		strings.ContainsFunc(question, unprintable) {
		return created{}, errInput
	}
	wanted := &ask{
		from: v.id, owner: owner, question: question,
		texts: appendTexts(make([]byte, 0, len(question)+len(v.name)+48), question, v.name),
	}
	var (
		made      created
		listening []*socket
	)
	err = c.groups.write(func() (err error) {
		made, err = c.store.create(wanted)
		return err
	}, func() {
		if made.exists {
			return
		}
		event := appendEvent(make([]byte, 0, len(made.payload)*2), owner, made.payload, made.eventID)
		listening = c.sockets.queue(owner, textFrame(event))
		c.progress.newest.Store(made.eventID)
	})
	if err != nil {
		return created{}, err
	}
	for _, s := range listening {
		s.flush()
	}
	return made, nil
}

func unprintable(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\n' }

// appendRealtime appends the answer to the question where to connect: to this program.
func appendRealtime(to []byte, v viewer, address string) ([]byte, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return to, errInput
	}
	to = append(to, `{"data":{"realtime":{"key":"`+appKey+`","cluster":null,"host":`...)
	to = appendText(to, host)
	to = append(to, `,"port":`...)
	to = append(to, port...)
	to = append(to, `,"tls":false,"authEndpoint":"/pusher/auth","channel":"`...)
	to = appendChannel(to, v.id)
	return append(to, `"}}}`...), nil
}

// authorize signs a person's own channel.
func (c *ceiling) authorize(w http.ResponseWriter, r *http.Request) {
	viewer, err := c.viewer(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	auth := c.sockets.authorize(viewer.id, r.PostFormValue("socket_id"), r.PostFormValue("channel_name"))
	if auth == "" {
		http.Error(w, "the channel is another person's", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"auth":"`+auth+`"}`) //nolint:gosec // hexadecimal; if this fails, the client has disconnected
}
