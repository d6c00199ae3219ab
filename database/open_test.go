package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lorebridge/auth"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/outbox"
)

const (
	asProcess = "LOREBRIDGE_TEST_OPEN" // the path that a child process of this test opens
	andStay   = "LOREBRIDGE_TEST_STAY" // the child keeps the database open until its input ends
	andFill   = "LOREBRIDGE_TEST_FILL" // the child writes while its disk is full
)

func TestMain(m *testing.M) {
	if path := os.Getenv(asProcess); path != "" {
		client, err := database.Open(context.Background(), config(path))
		if err == nil && os.Getenv(andStay) != "" {
			fmt.Fprint(os.Stdout, "!")
			_, err = io.ReadAll(os.Stdin)
		}
		if err == nil && os.Getenv(andFill) != "" {
			err = fill(client, path)
		}
		if err == nil {
			err = client.Close()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func config(path string) database.Config { return database.Config{URL: "sqlite:" + path} }

// open opens the database at path until the test ends.
func open(t *testing.T, path string) *ent.Client {
	t.Helper()
	client, err := database.Open(t.Context(), config(path))
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	return client
}

// raw opens the same file without this package.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?_fk=1&_busy_timeout=5000")
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func file(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "lorebridge.db")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// person creates an account.
func person(t *testing.T, client *ent.Client, name string) *ent.User {
	t.Helper()
	u, err := client.User.Create().SetName(name).SetEmail(name + "@example.com").SetPasswordHash("none").Save(auth.AsSystem(t.Context()))
	must(t, err)
	return u
}

func TestIDsOfEachTableHaveTheirRange(t *testing.T) {
	t.Parallel()
	client := open(t, file(t))
	for i, name := range []string{"ada", "bob", "carol"} {
		if u := person(t, client, name); u.ID != i+1 {
			t.Errorf("account %d is %d", i+1, u.ID)
		}
	}
	ctx := auth.AsSystem(t.Context())
	const width = 1 << 32
	item := item(t, client)
	text, err := client.KnowledgeContent.Create().SetKnowledgeID(item.ID).SetText("x").Save(ctx)
	must(t, err)
	s, err := client.Session.Create().SetUserID(1).SetTokenHash([]byte("x")).SetExpiresAt(time.Now().UTC()).Save(ctx)
	must(t, err)
	event, err := client.Event.Query().Only(ctx) // created with the item
	must(t, err)
	for name, ids := range map[string][2]int{
		"item": {item.ID, 1*width + 1}, "text": {text.ID, 2*width + 1}, "session": {s.ID, 5*width + 1}, "event": {event.ID, 6*width + 1},
	} {
		if ids[0] != ids[1] {
			t.Errorf("the first %s is %d, want %d", name, ids[0], ids[1])
		}
	}
}

func TestOpeningAgainChangesNothing(t *testing.T) {
	t.Parallel()
	path := file(t)
	client, err := database.Open(t.Context(), config(path))
	must(t, err)
	person(t, client, "ada")
	must(t, client.Close())
	applied := func() (names string) {
		t.Helper()
		must(t, raw(t, path).QueryRowContext(t.Context(), `SELECT group_concat(name || applied_at) FROM schema_migrations`).Scan(&names))
		return names
	}
	before := applied()
	again := open(t, path)
	if got := applied(); got != before || !strings.Contains(got, "_initial") {
		t.Errorf("migrations were %s, are %s", before, got)
	}
	if u := person(t, again, "bob"); u.ID != 2 {
		t.Errorf("the next account is %d", u.ID)
	}
}

func TestManyWhoOpenANewDatabaseTakeTurns(t *testing.T) {
	t.Parallel()
	path := file(t)
	errs := make([]error, 11)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			if i < 8 {
				client, err := database.Open(t.Context(), config(path))
				if errs[i] = err; err == nil {
					person(t, client, strings.Repeat("x", i+1))
					errs[i] = client.Close()
				}
				return
			}
			process := exec.CommandContext(t.Context(), os.Args[0])
			process.Env = append(os.Environ(), asProcess+"="+path)
			output, err := process.CombinedOutput()
			if err != nil {
				errs[i] = errors.Join(err, errors.New(string(output)))
			}
		})
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	var twice, people int
	must(t, raw(t, path).QueryRowContext(t.Context(), `SELECT count(*) - count(DISTINCT name) FROM schema_migrations`).Scan(&twice))
	must(t, raw(t, path).QueryRowContext(t.Context(), `SELECT count(*) FROM users WHERE id <= 8`).Scan(&people))
	if twice != 0 || people != 8 {
		t.Errorf("%d migrations are applied twice, and %d of 8 accounts are there", twice, people)
	}
}

func TestADatabaseInUseIsRejected(t *testing.T) {
	t.Parallel()
	path := file(t)
	client := open(t, path)
	if second, err := database.Open(t.Context(), config(path)); !errors.Is(err, database.ErrInUse) {
		t.Errorf("a second server: %v, %v", second, err)
	}
	if u := person(t, client, "ada"); u.ID != 1 {
		t.Errorf("the first server's first account is %d", u.ID)
	}
}

func TestANewerDatabaseIsRejected(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"99991231235959_later", "20000101000000_from_another_branch"} {
		path := file(t)
		client, err := database.Open(t.Context(), config(path))
		must(t, err)
		must(t, client.Close())
		_, err = raw(t, path).ExecContext(t.Context(), `INSERT INTO schema_migrations (name) VALUES (?)`, name)
		must(t, err)
		client, err = database.Open(t.Context(), config(path))
		if !errors.Is(err, database.ErrNewerDatabase) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), name) {
			t.Errorf("with %s: %v", name, err)
		}
		if err == nil {
			must(t, client.Close())
		}
	}
}

func TestTheFileIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	path := file(t)
	client := open(t, path)
	person(t, client, "ada")
	found := 0
	must(t, filepath.WalkDir(filepath.Dir(path), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o", filepath.Base(path), mode)
		}
		found++
		return nil
	}))
	if found != 4 {
		t.Errorf("%d files, want the database, its log, its index and its lock", found)
	}
}

func TestAnyPathIsAFile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with space.db", "100%.db", "%41.db", "ünï.db", "a&b=c.db", "mode=memory", "quote'\".db", "-"} {
		path := filepath.Join(t.TempDir(), name)
		person(t, open(t, path), "ada")
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestAFileThatIsNoDatabaseIsNamedInTheError(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "notes.txt")
	must(t, os.WriteFile(text, []byte(strings.Repeat("no database at all\n", 100)), 0o600))
	for _, path := range []string{filepath.Join(t.TempDir(), "missing", "lorebridge.db"), t.TempDir(), text} {
		client, err := database.Open(t.Context(), config(path))
		if err == nil {
			must(t, client.Close())
		}
		if err == nil || !strings.HasPrefix(err.Error(), "open the database "+path+": ") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAMistakeInTheURLNamesItsVariable(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "lorebridge.db", "sqlite:", "sqlite3:lorebridge.db", "mysql://localhost/x", "postgres://localhost/x", "postgresql://localhost/x",
		"sqlite::memory:", "sqlite:file::memory:?cache=shared", "sqlite:x.db?mode=ro", "sqlite:x.db#a", "sqlite:x\x00.db", "file:x.db",
	} {
		c := database.Config{URL: url}
		err := c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "DATABASE_URL") {
			t.Errorf("%q: %v", url, err)
		}
		client, openErr := database.Open(t.Context(), c)
		if openErr == nil {
			must(t, client.Close())
		}
		if openErr == nil || err == nil || openErr.Error() != err.Error() {
			t.Errorf("%q is opened: %v", url, openErr)
		}
	}
	must(t, database.Config{URL: "sqlite:lorebridge.db"}.Validate())
	if got := (database.Config{URL: "sqlite:/var/lib/a:b.db"}).Path(); got != "/var/lib/a:b.db" {
		t.Errorf("the path is %s", got)
	}
}

func TestTheWaitForTheWriterEndsWithItsContext(t *testing.T) {
	t.Parallel()
	client := open(t, file(t))
	holder, err := client.Tx(t.Context())
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := client.Tx(ctx)
		gaveUp <- err
	}()
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: %v", err)
	}
	must(t, holder.Rollback())
	person(t, client, "ada")
}

func TestATransactionThatHasBegunOutlivesItsContext(t *testing.T) {
	t.Parallel()
	client := open(t, file(t))
	ctx, cancel := context.WithCancel(auth.AsSystem(t.Context()))
	tx, err := client.Tx(ctx)
	must(t, err)
	must(t, tx.User.Create().SetName("Ada").SetEmail("ada@example.com").SetPasswordHash("none").Exec(ctx))
	// The statement is long enough to be interrupted. If that were possible, SQLite would roll back all of it.
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err = tx.Client().ExecContext(ctx, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
		UPDATE users SET name = (SELECT count(*) FROM n)`)
	must(t, err)
	<-ctx.Done()
	must(t, tx.User.Create().SetName("Bob").SetEmail("bob@example.com").SetPasswordHash("none").Exec(ctx))
	must(t, tx.Commit())
	if n := client.User.Query().CountX(auth.AsSystem(t.Context())); n != 2 {
		t.Errorf("%d of 2 rows", n)
	}
}

func TestATransactionIsSeenWhenItCommits(t *testing.T) {
	t.Parallel()
	client := open(t, file(t))
	ctx := auth.AsSystem(t.Context())
	tx, err := client.Tx(ctx)
	must(t, err)
	must(t, tx.User.Create().SetName("Ada").SetEmail("ada@example.com").SetPasswordHash("none").Exec(ctx))
	if n := client.User.Query().CountX(ctx); n != 0 { // the read does not wait for the transaction
		t.Errorf("a reader sees %d rows before COMMIT", n)
	}
	if n := tx.User.Query().CountX(ctx); n != 1 {
		t.Errorf("the transaction sees %d of its own rows", n)
	}
	must(t, tx.Commit())
	if n := client.User.Query().CountX(ctx); n != 1 {
		t.Errorf("a reader sees %d rows after COMMIT", n)
	}
	readOnly, err := client.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	must(t, err)
	if err := readOnly.User.Create().SetName("Bob").SetEmail("bob@example.com").SetPasswordHash("none").Exec(ctx); err == nil {
		t.Error("a read-only transaction writes")
	}
	must(t, readOnly.Rollback())
}

// item creates a knowledge item of the first account, in a transaction as the hooks require.
func item(t *testing.T, client *ent.Client) (made *ent.Knowledge) {
	t.Helper()
	events, err := outbox.New(t.Context(), outbox.Config{Client: client, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	must(t, events.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) (err error) {
		made, err = tx.Knowledge.Create().SetOwnerID(1).SetTitle("Roots").Save(ctx)
		return err
	}))
	return made
}

// The constraints hold for writers that bypass the hooks, and for two that write at the same moment.
func TestTheConstraintsHoldTheRules(t *testing.T) {
	t.Parallel()
	path := file(t)
	client := open(t, path)
	ctx := auth.AsSystem(t.Context())
	for _, name := range []string{"ada", "bob"} {
		person(t, client, name)
	}
	item := item(t, client)
	db := raw(t, path)
	const insert = `INSERT INTO knowledge_requests (created_at, question, question_hash, status, requester_id, owner_id, knowledge_id) VALUES ('2026', ?, ?, ?, ?, ?, ?)`
	request := func(question, status string, item any) error {
		_, err := db.ExecContext(t.Context(), insert, question, []byte(question), status, 2, 1, item)
		return err
	}
	must(t, request("a", "PENDING", item.ID))
	must(t, request("a", "DENIED", item.ID))
	must(t, request("a", "APPROVED", item.ID))
	must(t, request("a", "PENDING", nil))
	must(t, request("b", "PENDING", nil))
	must(t, request("a", "DENIED", nil))
	must(t, request("a", "DENIED", nil))
	statement := func(text string, args ...any) func() error {
		return func() error {
			_, err := db.ExecContext(t.Context(), text, args...)
			return err
		}
	}
	must(t, statement(`INSERT INTO knowledge_shares (created_at, knowledge_id, shared_with_id, request_id) SELECT '2026', ?, 2, min(id) FROM knowledge_requests`, item.ID)())
	must(t, statement(`INSERT INTO knowledge_contents (text, knowledge_id) VALUES ('x', ?)`, item.ID)())
	for name, do := range map[string]func() error{
		"an address twice":            statement(`INSERT INTO users (created_at, name, email, password_hash) VALUES ('2026', 'x', 'ada@example.com', 'x')`),
		"an item pending twice":       func() error { return request("c", "PENDING", item.ID) },
		"a question pending twice":    func() error { return request("a", "PENDING", nil) },
		"a share twice":               statement(`INSERT INTO knowledge_shares (created_at, knowledge_id, shared_with_id, request_id) SELECT '2026', ?, 2, max(id) FROM knowledge_requests`, item.ID),
		"a text twice":                statement(`INSERT INTO knowledge_contents (text, knowledge_id) VALUES ('y', ?)`, item.ID),
		"an item of nobody":           statement(`INSERT INTO knowledge (created_at, title, updated_at, owner_id) VALUES ('2026', 'x', '2026', 99)`),
		"a request of nobody":         statement(insert, "d", []byte("d"), "PENDING", 99, 1, nil),
		"a request to nobody":         statement(insert, "d", []byte("d"), "PENDING", 2, 99, nil),
		"a request for nothing":       func() error { return request("d", "PENDING", 99) },
		"a session of nobody":         statement(`INSERT INTO sessions (created_at, token_hash, expires_at, user_id) VALUES ('2026', x'00', '2026', 99)`),
		"an account that owns, away":  statement(`DELETE FROM users WHERE id = 1`),
		"an account that asked, away": statement(`DELETE FROM users WHERE id = 2`),
		"a request that shared, away": statement(`DELETE FROM knowledge_requests WHERE id = (SELECT request_id FROM knowledge_shares)`),
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "constraint failed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Deleting an item deletes its text and its shares, but not its requests.
	must(t, statement(`UPDATE knowledge_requests SET status = 'DENIED' WHERE knowledge_id IS NOT NULL`)())
	must(t, statement(`DELETE FROM knowledge`)())
	if n := client.KnowledgeContent.Query().CountX(ctx) + client.KnowledgeShare.Query().CountX(ctx); n != 0 {
		t.Errorf("%d texts and shares are left", n)
	}
	if n := client.KnowledgeRequest.Query().Where(knowledgerequest.KnowledgeIDIsNil()).CountX(ctx); n != 7 {
		t.Errorf("%d of 7 requests are left without an item", n)
	}
}

// After a server is killed, the next one can open the database at once.
func TestAKilledServerHoldsNothing(t *testing.T) {
	t.Parallel()
	path := file(t)
	process := exec.CommandContext(t.Context(), os.Args[0])
	process.Env = append(os.Environ(), asProcess+"="+path, andStay+"=1")
	stdin, err := process.StdinPipe()
	must(t, err)
	stdout, err := process.StdoutPipe()
	must(t, err)
	must(t, process.Start())
	ready := make([]byte, 1)
	_, err = stdout.Read(ready) // the child has opened the database
	must(t, err)
	must(t, process.Process.Kill())
	if err := process.Wait(); err == nil {
		t.Error("the process ended by itself")
	}
	_ = stdin.Close() // the process has already ended
	if u := person(t, open(t, path), "ada"); u.ID != 1 {
		t.Errorf("the first account is %d", u.ID)
	}
}
