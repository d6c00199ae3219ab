package database

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledgecontent"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/knowledgeshare"
	"lorebridge/ent/user"
	"lorebridge/graph"
	"lorebridge/outbox"
	"lorebridge/realtime"
)

// recordedQuery is a SELECT that ent made.
type recordedQuery struct {
	query string
	args  []any
}

// recordingDriver records the queries of ent.
type recordingDriver struct {
	*sqliteDriver

	mu   sync.Mutex
	kept []recordedQuery
}

var _ dialect.Driver = (*recordingDriver)(nil)

func (l *recordingDriver) Query(ctx context.Context, query string, args, v any) error {
	l.mu.Lock()
	l.kept = append(l.kept, recordedQuery{query, args.([]any)})
	l.mu.Unlock()
	return l.sqliteDriver.Query(ctx, query, args, v)
}

func (l *recordingDriver) take() []recordedQuery {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.kept
	l.kept = nil
	return kept
}

// plan returns SQLite's plan for a query.
func (l *recordingDriver) plan(t *testing.T, a recordedQuery) string {
	t.Helper()
	rows, err := l.reader.DB().QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+a.query, a.args...)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		must(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	must(t, rows.Err())
	return strings.Join(steps, "; ")
}

func listen(t *testing.T) (*recordingDriver, *ent.Client) {
	t.Helper()
	driver, err := openSQLite(t.Context(), filepath.Join(t.TempDir(), "lorebridge.db"))
	must(t, err)
	l := &recordingDriver{sqliteDriver: driver}
	client := ent.NewClient(ent.Driver(l))
	t.Cleanup(func() { must(t, client.Close()) })
	return l, client
}

// The lists of the API read no more rows than they return, because each has an index in its order.
func TestEachListHasAnIndexInItsOrder(t *testing.T) {
	t.Parallel()
	l, client := listen(t)
	accounts, err := auth.NewAccounts(auth.Config{SignInsPerAddress: 1, SignInsPerAccount: 1, SignUpsPerAddress: 1},
		auth.Deps{Client: client, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	api, err := graph.NewHandler(graph.Settings{RequestsPerMinute: 1}, graph.Deps{
		Client: client, Accounts: accounts, Logger: slog.New(slog.DiscardHandler),
		WithTx:        func(context.Context, func(context.Context, *ent.Client) error) error { return nil },
		Realtime:      func(context.Context, int) (*graph.Realtime, error) { return &graph.Realtime{}, nil },
		Subscriptions: &realtime.Subscriptions{}, // nobody subscribes
	})
	must(t, err)
	moment := time.Now().UTC().Format(time.RFC3339Nano)
	cursor := func(order, value string) string {
		return `"` + graph.Cursor{Order: order, Value: value, ID: 1}.String() + `"`
	}
	name, title := cursor("users.name_key", "ada"), cursor("knowledge.title_key", "roots")
	made, changed := cursor("knowledge.created_at", moment), cursor("knowledge.updated_at", moment)
	request, notification := cursor("knowledge_requests.created_at", moment), cursor("events.created_at", moment)
	for _, test := range []struct{ list, index string }{
		{`users`, "user_name"},
		{`users(search: "a", after: ` + name + `)`, "user_name"},
		{`knowledge`, "knowledge_created_at"},
		{`knowledge(after: ` + made + `)`, "knowledge_created_at"},
		{`knowledge(last: 10, before: ` + made + `)`, "knowledge_created_at"},
		{`knowledge(first: 10, before: ` + made + `)`, "knowledge_created_at"},
		{`knowledge(last: 10, after: ` + made + `, before: ` + made + `)`, "knowledge_created_at"},
		{`knowledge(orderBy: {field: UPDATED_AT, direction: ASC}, first: 10, last: 5, after: ` + changed + `, before: ` + changed + `)`, "knowledge_updated_at"},
		{`knowledge(orderBy: {field: TITLE})`, "knowledge_title"},
		{`knowledge(orderBy: {field: TITLE}, after: ` + title + `)`, "knowledge_title"},
		{`knowledge(orderBy: {field: UPDATED_AT, direction: DESC})`, "knowledge_updated_at"},
		{`knowledge(where: {ownerId: 1})`, "knowledge_owner_id_created_at"},
		{`knowledge(where: {ownerId: 1}, after: ` + made + `)`, "knowledge_owner_id_created_at"},
		{`knowledgeRequests(box: RECEIVED)`, "knowledgerequest_owner_id_created_at_id_status"},
		{`knowledgeRequests(box: RECEIVED, orderBy: {field: CREATED_AT})`, "knowledgerequest_owner_id_created_at_id_status"},
		{`knowledgeRequests(box: RECEIVED, after: ` + request + `)`, "knowledgerequest_owner_id_created_at_id_status"},
		{`knowledgeRequests(box: RECEIVED, status: PENDING)`, "knowledgerequest_owner_id_created_at_id_status"},
		{`knowledgeRequests(box: RECEIVED, status: PENDING, last: 10, before: ` + request + `)`, "knowledgerequest_owner_id_created_at_id_status"},
		{`knowledgeRequests(box: SENT)`, "knowledgerequest_requester_id_created_at"},
		{`knowledgeRequests(box: SENT, last: 10)`, "knowledgerequest_requester_id_created_at"},
		{`knowledgeRequests(box: SENT, status: APPROVED)`, "knowledgerequest_requester_id_created_at"},
		{`notifications`, "event_recipient_id_created_at_id_read_at"},
		{`notifications(after: ` + notification + `)`, "event_recipient_id_created_at_id_read_at"},
		{`notifications(first: 100, before: ` + notification + `)`, "event_recipient_id_created_at_id_read_at"},
		{`notifications(unreadOnly: true)`, "event_recipient_id_created_at_id_read_at"},
		{`notifications(unreadOnly: true, after: ` + notification + `)`, "event_recipient_id_created_at_id_read_at"},
	} {
		operation := `{ list: ` + test.list + ` { totalCount edges { cursor } pageInfo { hasNextPage hasPreviousPage } } }`
		body, err := json.Marshal(map[string]string{"query": operation})
		must(t, err)
		request := httptest.NewRequestWithContext(auth.NewContext(t.Context(), auth.Viewer{UserID: 1}), http.MethodPost, "/graphql", strings.NewReader(string(body)))
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		api.ServeHTTP(answer, request)
		queries := l.take()
		want := 2 + strings.Count(test.list, "after: ") + strings.Count(test.list, "before: ")
		if strings.Contains(answer.Body.String(), "errors") || len(queries) != want {
			t.Errorf("%s is answered %s with %d queries, want the page, its count, and what is beyond each cursor: %d", test.list, answer.Body, len(queries), want)
		}
		for _, query := range queries {
			plan := l.plan(t, query)
			page := !strings.HasPrefix(query.query, "SELECT COUNT")
			if strings.Contains(plan, "TEMP B-TREE") || (page && !strings.Contains(plan, "INDEX "+test.index)) {
				t.Errorf("%s is read by\n %s\n with %s, want %s", test.list, query.query, plan, test.index)
			}
		}
	}
}

// The queries of every request and of every event use an index.
func TestWhatIsAskedOftenHasAnIndex(t *testing.T) {
	t.Parallel()
	l, client := listen(t)
	ctx := auth.AsSystem(t.Context())
	events, err := outbox.New(t.Context(), outbox.Config{Client: client, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	accounts, err := auth.NewAccounts(auth.Config{SignInsPerAddress: 1, SignInsPerAccount: 1, SignUpsPerAddress: 1},
		auth.Deps{Client: client, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	for name, test := range map[string]struct {
		ask  func() error
		want string
	}{
		"a session and its person by its token": {func() error {
			if _, err := accounts.ViewerOf(ctx, strings.Repeat("x", 43)); !errors.Is(err, auth.ErrUnauthenticated) {
				return err
			}
			return nil
		}, "SEARCH sessions USING INDEX sessions_token_hash_key (token_hash=?); SEARCH t1 USING INTEGER PRIMARY KEY (rowid=?)"},
		"an account by its address": {func() error {
			_, err := client.User.Query().Where(user.Email("ada@example.com")).All(ctx)
			return err
		}, "SEARCH users USING INDEX users_email_key (email=?)"},
		"how many notifications are unread": {func() error {
			_, err := client.Event.Query().Where(event.ReadAtIsNil()).Count(auth.NewContext(t.Context(), auth.Viewer{UserID: 1}))
			return err
		}, "SEARCH events USING COVERING INDEX event_recipient_id_created_at_id_read_at (recipient_id=?)"},
		"whether an item is shared": {func() error {
			_, err := client.KnowledgeShare.Query().Where(knowledgeshare.KnowledgeID(1), knowledgeshare.SharedWithID(2)).Exist(ctx)
			return err
		}, "SEARCH knowledge_shares USING COVERING INDEX knowledgeshare_knowledge_id_shared_with_id (knowledge_id=? AND shared_with_id=?)"},
		"the texts of a page": {func() error {
			_, err := client.KnowledgeContent.Query().Where(knowledgecontent.KnowledgeIDIn(1, 2)).All(auth.NewContext(t.Context(), auth.Viewer{UserID: 1}))
			return err
		}, "SEARCH knowledge_contents USING INDEX knowledge_contents_knowledge_id_key (knowledge_id=?)"},
		"those who wait for an item": {func() error {
			_, err := client.KnowledgeRequest.Query().Where(
				knowledgerequest.KnowledgeID(1), knowledgerequest.OwnerID(2), knowledgerequest.StatusEQ(knowledgerequest.StatusPending),
			).Order(ent.Asc(knowledgerequest.FieldID)).All(ctx)
			return err
		}, "SEARCH knowledge_requests USING INDEX knowledgerequest_knowledge_id (knowledge_id=?)"},
		"how many notifications there are": {func() error {
			_, err := client.Event.Query().Count(auth.NewContext(t.Context(), auth.Viewer{UserID: 1}))
			return err
		}, "SEARCH events USING COVERING INDEX event_recipient_id_created_at_id_read_at (recipient_id=?)"},
		"the request for an item that is pending": {func() error {
			_, err := client.KnowledgeRequest.Query().Where(knowledgerequest.RequesterID(1), knowledgerequest.KnowledgeID(2),
				knowledgerequest.StatusEQ(knowledgerequest.StatusPending)).All(ctx)
			return err
		}, "SEARCH knowledge_requests USING INDEX knowledge_requests_one_pending_for_item (requester_id=? AND knowledge_id=?)"},
		"the free question that is pending": {func() error {
			_, err := client.KnowledgeRequest.Query().Where(knowledgerequest.RequesterID(1), knowledgerequest.OwnerID(2),
				knowledgerequest.QuestionHash([]byte("x")), knowledgerequest.KnowledgeIDIsNil(),
				knowledgerequest.StatusEQ(knowledgerequest.StatusPending)).All(ctx)
			return err
		}, "SEARCH knowledge_requests USING INDEX knowledge_requests_one_pending_for_question " +
			"(requester_id=? AND owner_id=? AND question_hash=?)"},
		"notifications that were read long ago": {func() error {
			_, err := client.Event.Query().Where(event.ReadAtLT(time.Now()), event.IDLTE(1)).Limit(10).IDs(ctx)
			return err
		}, "SEARCH events USING COVERING INDEX event_read_at (read_at<?)"},
		"what follows a place in the log": {func() error {
			reader := events.Read(outbox.CursorOf(-1)) // older than the log's memory, so it reads the table
			defer reader.Close()
			_, err := reader.Next(ctx, 10)
			return err
		}, "SEARCH events USING INTEGER PRIMARY KEY (rowid>?)"},
		"what waits for a person": {func() error {
			_, err := client.Event.Query().Where(event.RecipientID(1), event.IDGT(1), event.IDLTE(5)).
				Order(ent.Asc(event.FieldID)).Limit(10).All(ctx)
			return err
		}, "SEARCH events USING "},
		"what a subscription to new items missed": {func() error {
			_, err := client.Event.Query().Where(outbox.PublishedKnowledge().Events(), event.IDGT(1)).Order(ent.Asc(event.FieldID)).Limit(51).All(ctx)
			return err
		}, "SEARCH events USING INTEGER PRIMARY KEY (rowid>?)"},
		"what a person's subscription missed": {func() error {
			_, err := client.Event.Query().Where(outbox.NotificationsOf(1).Events(), event.IDGT(1)).Order(ent.Asc(event.FieldID)).Limit(51).All(ctx)
			return err
		}, "SEARCH events USING "},
		"what a person's other devices missed": {func() error {
			_, err := client.Event.Query().Where(outbox.ActionsOf(1).Events(), event.IDGT(1)).Order(ent.Asc(event.FieldID)).Limit(51).All(ctx)
			return err
		}, "SEARCH events USING INDEX event_actor_id (actor_id=? AND rowid>?)"},
		"what there is to know of one request": {func() error {
			_, err := client.Event.Query().Where(outbox.AnswerOf(1).Events(), event.IDGT(1)).Order(ent.Asc(event.FieldID)).Limit(51).All(ctx)
			return err
		}, "SEARCH events USING INDEX event_request_id (request_id=? AND rowid>?)"},
	} {
		l.take()
		must(t, test.ask())
		queries := l.take()
		if len(queries) == 0 {
			t.Errorf("%s: no query was recorded", name)
		}
		for _, query := range queries {
			if plan := l.plan(t, query); !strings.HasPrefix(plan, test.want) {
				t.Errorf("%s: %s\n by %s, want %s", name, query.query, plan, test.want)
			}
		}
	}
}

// When a row is deleted, the rows that refer to it are found without a scan of a table.
func TestEachForeignKeyHasAnIndex(t *testing.T) {
	t.Parallel()
	l, _ := listen(t)
	conn, err := l.reader.DB().Conn(t.Context())
	must(t, err)
	defer func() { must(t, conn.Close()) }()
	for _, table := range names(t, conn, listTables) {
		if scans := fullScans(t, conn, "DELETE FROM "+table+" WHERE rowid = 1"); scans > 0 {
			t.Errorf("deleting a row of %s scans %d tables", table, scans)
		}
	}
}

// fullScans counts the tables and indexes that a statement, or the action of a foreign key, reads from end to end.
func fullScans(t *testing.T, conn *sql.Conn, statement string) (scans int) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), "EXPLAIN "+statement)
	must(t, err)
	defer func() { must(t, errors.Join(rows.Err(), rows.Close())) }()
	own := map[int]bool{} // cursors over rows that the program has found itself
	for rows.Next() {
		var address, cursor, p2, p3, p5 int
		var opcode string
		var p4, comment sql.NullString
		must(t, rows.Scan(&address, &opcode, &cursor, &p2, &p3, &p4, &p5, &comment))
		switch opcode {
		case "Init": // of the next program
			clear(own)
		case "OpenEphemeral":
			own[cursor] = true
		case "Rewind", "Last":
			if !own[cursor] {
				scans++
			}
		}
	}
	return scans
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
