package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/privacy"
)

// harness is a ceiling on a database that the server's migrations made, with two signed-in people.
type harness struct {
	path       string
	ceiling    *ceiling
	url        string
	ada, grace int
}

const tokenOfAda, tokenOfGrace = "ada's token", "grace's token"

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{path: filepath.Join(t.TempDir(), "lorebridge.db")}
	h.inEnt(t, func(ctx context.Context, client *ent.Client) {
		for name, id := range map[string]*int{"Ada": &h.ada, "Grace": &h.grace} {
			user := client.User.Create().SetName(name).SetEmail(name + "@x.example").SetPasswordHash("-").SaveX(ctx)
			hash := sha256.Sum256([]byte(strings.ToLower(name) + "'s token"))
			client.Session.Create().SetUserID(user.ID).SetTokenHash(hash[:]).SetExpiresAt(time.Now().UTC().Add(time.Hour)).ExecX(ctx)
			ended := sha256.Sum256([]byte("ended"))
			if name == "Ada" {
				client.Session.Create().SetUserID(user.ID).SetTokenHash(ended[:]).SetExpiresAt(time.Now().UTC().Add(-time.Hour)).ExecX(ctx)
			}
			*id = user.ID
		}
	})
	var err error
	if h.ceiling, err = newCeiling(h.path); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h.ceiling.handler())
	h.url = server.URL
	t.Cleanup(func() {
		server.Close()
		h.ceiling.sockets.close()
		if err := h.ceiling.close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// inEnt runs do with a client of the database, opened as the server does.
func (h *harness) inEnt(t *testing.T, do func(context.Context, *ent.Client)) {
	t.Helper()
	ctx := privacy.DecisionContext(t.Context(), privacy.Allow)
	client, _, err := database.OpenWatched(ctx, database.Config{URL: "sqlite:" + h.path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	do(ctx, client)
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

// send sends a body and returns the answer.
func (h *harness) send(t *testing.T, path, token, contentType, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// ask sends createKnowledgeRequest.
func (h *harness) ask(t *testing.T, token string, owner int, question string) string {
	t.Helper()
	return h.send(t, "/graphql", token, "application/json", fmt.Sprintf(
		`{"query":"mutation { createKnowledgeRequest(input: $input) { … } }","variables":{"input":{"ownerId":"%d","question":%q}}}`,
		owner, question))
}

// connect opens a WebSocket.
func (h *harness) connect(t *testing.T) io.ReadWriter {
	t.Helper()
	conn, early, _, err := ws.Dial(t.Context(), strings.Replace(h.url, "http", "ws", 1)+"/app/"+appKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if early == nil { // otherwise it holds frames that arrived with the handshake
		return conn
	}
	return struct {
		io.Reader
		io.Writer
	}{early, conn}
}

// listen connects a WebSocket of the Pusher protocol and joins a person's channel.
func (h *harness) listen(t *testing.T, token string, person int) io.ReadWriter {
	t.Helper()
	conn := h.connect(t)
	var established struct {
		ID string `json:"socket_id"`
	}
	if err := json.Unmarshal([]byte(next(t, conn).Data), &established); err != nil {
		t.Fatal(err)
	}
	channel := fmt.Sprint(channelPrefix, person)
	form := url.Values{"socket_id": {established.ID}, "channel_name": {channel}}
	var granted struct{ Auth string }
	answer := h.send(t, "/pusher/auth", token, "application/x-www-form-urlencoded", form.Encode())
	if err := json.Unmarshal([]byte(answer), &granted); err != nil {
		t.Fatal(err)
	}
	subscribe := fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":%q,"auth":%q}}`, channel, granted.Auth)
	if err := wsutil.WriteClientText(conn, []byte(subscribe)); err != nil {
		t.Fatal(err)
	}
	if m := next(t, conn); m.Event != "pusher_internal:subscription_succeeded" || m.Channel != channel {
		t.Fatalf("got %+v", m)
	}
	return conn
}

type message struct{ Event, Channel, Data string }

func next(t *testing.T, conn io.ReadWriter) message {
	t.Helper()
	text, err := wsutil.ReadServerText(conn)
	if err != nil {
		t.Fatal(err)
	}
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMutationIsWrittenAndDelivered(t *testing.T) {
	h := newHarness(t)
	socket := h.listen(t, tokenOfGrace, h.grace)
	var answer struct {
		Data struct {
			CreateKnowledgeRequest struct {
				KnowledgeRequest struct {
					ID, Status string
					CreatedAt  time.Time
				}
				AlreadyExists bool
			}
		}
	}
	if err := json.Unmarshal([]byte(h.ask(t, tokenOfAda, h.grace, " How?\n")), &answer); err != nil {
		t.Fatal(err)
	}
	got := next(t, socket)
	var data struct {
		RequestID               int
		Question, RequesterName string
		EventID                 string
	}
	if err := json.Unmarshal([]byte(got.Data), &data); err != nil {
		t.Fatal(err)
	}
	h.ceiling.sockets.close()
	if err := h.ceiling.progress.write(); err != nil {
		t.Fatal(err)
	}
	created := answer.Data.CreateKnowledgeRequest
	h.inEnt(t, func(ctx context.Context, client *ent.Client) {
		request, row := client.KnowledgeRequest.Query().OnlyX(ctx), client.Event.Query().OnlyX(ctx)
		hash := sha256.Sum256([]byte("How?"))
		if request.RequesterID != h.ada || request.OwnerID != h.grace || request.Question != "How?" ||
			!bytes.Equal(request.QuestionHash, hash[:]) || request.Status != "PENDING" {
			t.Errorf("wrote the request %v", request)
		}
		if row.Kind != event.KindKnowledgeRequest || *row.RecipientID != h.grace || *row.ActorID != h.ada || *row.RequestID != request.ID ||
			!row.CreatedAt.Equal(request.CreatedAt) {
			t.Errorf("wrote the event %v", row)
		}
		if created.KnowledgeRequest.ID != fmt.Sprint(request.ID) || created.KnowledgeRequest.Status != "PENDING" || created.AlreadyExists ||
			!created.KnowledgeRequest.CreatedAt.Equal(request.CreatedAt) {
			t.Errorf("answered %+v", created)
		}
		if got.Event != "knowledge-request" || data.RequestID != request.ID || data.Question != "How?" || data.RequesterName != "Ada" ||
			data.EventID != fmt.Sprint(row.ID) {
			t.Errorf("delivered %+v", got)
		}
		if newest := h.ceiling.progress.written; newest != int64(row.ID) {
			t.Errorf("the watermark is %d, want %d", newest, row.ID)
		}
	})
}

func TestTheSameRequestExistsAlready(t *testing.T) {
	h := newHarness(t)
	first := h.ask(t, tokenOfAda, h.grace, "How?")
	again := h.ask(t, tokenOfAda, h.grace, "How?")
	if want := strings.Replace(first, `"alreadyExists":false`, `"alreadyExists":true`, 1); again != want || again == first {
		t.Errorf("first %s, then %s", first, again)
	}
	h.inEnt(t, func(ctx context.Context, client *ent.Client) {
		if n := client.Event.Query().CountX(ctx); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
	})
}

func TestWhatIsNotAllowedIsRejected(t *testing.T) {
	h := newHarness(t)
	for name, tt := range map[string]struct {
		answer string
		code   string
	}{
		"nobody's token":       {h.ask(t, "nobody's", h.grace, "How?"), "UNAUTHENTICATED"},
		"a session that ended": {h.ask(t, "ended", h.grace, "How?"), "UNAUTHENTICATED"},
		"an owner who is not":  {h.ask(t, tokenOfAda, 99, "How?"), "NOT_FOUND"},
		"oneself":              {h.ask(t, tokenOfAda, h.ada, "How?"), "BAD_USER_INPUT"},
		"an empty question":    {h.ask(t, tokenOfAda, h.grace, " \n"), "BAD_USER_INPUT"},
		"a long question":      {h.ask(t, tokenOfAda, h.grace, strings.Repeat("x", maxQuestion+1)), "BAD_USER_INPUT"},
		"no JSON":              {h.send(t, "/graphql", tokenOfAda, "application/json", "{"), "BAD_REQUEST"},
		"a large body": {
			h.send(t, "/graphql", tokenOfAda, "application/json", `{"query":"`+strings.Repeat("x", 2*maxBody)+`"}`), "BAD_REQUEST",
		},
		"another operation": {h.send(t, "/graphql", tokenOfAda, "application/json", `{"query":"{ viewer { id } }"}`), "BAD_USER_INPUT"},
	} {
		if !strings.Contains(tt.answer, `"extensions":{"code":"`+tt.code+`"}`) {
			t.Errorf("%s: got %s, want %s", name, tt.answer, tt.code)
		}
	}
	h.inEnt(t, func(ctx context.Context, client *ent.Client) {
		if n := client.KnowledgeRequest.Query().CountX(ctx) + client.Event.Query().CountX(ctx); n != 0 {
			t.Errorf("%d rows were written", n)
		}
	})
}

func TestAChannelIsItsPersonsAlone(t *testing.T) {
	h := newHarness(t)
	form := url.Values{"socket_id": {"1.1"}, "channel_name": {fmt.Sprint(channelPrefix, h.ada)}}.Encode()
	if got := h.send(t, "/pusher/auth", tokenOfGrace, "application/x-www-form-urlencoded", form); strings.Contains(got, "auth\":") {
		t.Errorf("Grace was granted Ada's channel: %s", got)
	}
	conn := h.connect(t)
	next(t, conn)
	forged := fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":"%s%d","auth":"ceiling:00"}}`, channelPrefix, h.ada)
	if err := wsutil.WriteClientText(conn, []byte(forged)); err != nil {
		t.Fatal(err)
	}
	if text, err := wsutil.ReadServerText(conn); err == nil {
		t.Errorf("a forged signature was answered with %s", text)
	}
}

// TestAFailureAfterTheFirstInsertLeavesNothing drops the table of events, so the second INSERT fails.
func TestAFailureAfterTheFirstInsertLeavesNothing(t *testing.T) {
	h := newHarness(t)
	if _, err := h.ceiling.store.Exec("ALTER TABLE events RENAME TO gone", nil); err != nil {
		t.Fatal(err)
	}
	if got := h.ask(t, tokenOfAda, h.grace, "How?"); !strings.Contains(got, `"code":"INTERNAL"`) || strings.Contains(got, "gone") {
		t.Errorf("got %s", got)
	}
	if _, err := h.ceiling.store.Exec("ALTER TABLE gone RENAME TO events", nil); err != nil {
		t.Fatal(err)
	}
	if got := h.ask(t, tokenOfAda, h.grace, "How?"); !strings.Contains(got, `"alreadyExists":false`) {
		t.Errorf("asked again, got %s", got)
	}
}

func TestTheWatermarkGoesIntoTheServersTableIfThereIsOne(t *testing.T) {
	h := newHarness(t)
	for _, statement := range []string{
		"DROP TABLE IF EXISTS progresses",
		"CREATE TABLE progresses (id INTEGER PRIMARY KEY AUTOINCREMENT, reader TEXT NOT NULL UNIQUE, done_seq INTEGER NOT NULL, " +
			"settled TEXT NOT NULL DEFAULT '')",
	} {
		if _, err := h.ceiling.store.Exec(statement, nil); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openStore(h.path)
	if err != nil {
		t.Fatal(err)
	}
	p := &progress{groups: &groups{tx: s}, store: s}
	for _, newest := range []int64{7, 9} {
		p.newest.Store(newest)
		if err := p.write(); err != nil {
			t.Fatal(err)
		}
	}
	read, err := s.prepare("SELECT count(*), max(done_seq) FROM progresses WHERE reader = 'ceiling'")
	if err != nil {
		t.Fatal(err)
	}
	var row [2]driver.Value
	if err := read.row(row[:]); err != nil || row != [2]driver.Value{int64(1), int64(9)} {
		t.Errorf("got %v with error %v, want one row of 9", row, err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

func TestTheProgramEndsWithItsContext(t *testing.T) {
	h := &harness{path: filepath.Join(t.TempDir(), "lorebridge.db")}
	h.inEnt(t, func(context.Context, *ent.Client) {})
	ctx, stop := context.WithCancel(t.Context())
	printed, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "sqlite:"+h.path, "127.0.0.1:0", stdout) }()
	line := make([]byte, 100)
	n, err := printed.Read(line)
	if err != nil || !strings.HasPrefix(string(line[:n]), "ceiling: http://127.0.0.1:") {
		t.Errorf("printed %q with error %v", line[:n], err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := run(t.Context(), "postgres://x", "127.0.0.1:0", io.Discard); err == nil || !strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("another database: got error %v", err)
	}
}
