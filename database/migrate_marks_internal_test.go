package database

import (
	"database/sql"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// The previous schema marked each event that had been sent. The migration keeps this: it neither loses an event nor
// sends one a second time.
func TestTheMarksOfEventsBecomeProgress(t *testing.T) {
	t.Parallel()
	known, err := readMigrations(migrations, "migrations/sqlite")
	must(t, err)
	at := slices.IndexFunc(known, func(m migration) bool { return m.name == "20261127124831_add_progress_and_parked" })
	db, err := sql.Open("sqlite3", "file::memory:")
	must(t, err)
	defer func() { must(t, db.Close()) }()
	conn, err := db.Conn(t.Context())
	must(t, err)
	defer func() { must(t, conn.Close()) }()
	must(t, apply(t, conn, known[:at]))

	const first = 6 << 32 // the ids of events are greater
	run := func(statement string) {
		t.Helper()
		_, err := conn.ExecContext(t.Context(), statement)
		must(t, err)
	}
	run(`INSERT INTO users (id, created_at, name, name_key, email, password_hash) VALUES
		(1, '2026-11-01', 'Ada', 'ada', 'a', '-'), (2, '2026-11-01', 'Bob', 'bob', 'b', '-'), (3, '2026-11-01', 'Eve', 'eve', 'e', '-')`)
	event := func(id int, kind, recipient, relayed, lastError string) {
		t.Helper()
		run("INSERT INTO events (id, created_at, kind, recipient_id, actor_id, payload, relayed_at, attempts, last_error) VALUES (" +
			strconv.Itoa(first+id) + ", '2026-11-01 10:00:0" + strconv.Itoa(id%10) + "', '" + kind + "', " + recipient + ", " +
			map[bool]string{true: "NULL", false: "1"}[recipient == "NULL"] + ", '{}', " + relayed + ", 1, " + lastError + ")")
	}
	const sent, pending, fine = "'2026-11-01'", "NULL", "NULL"
	event(101, "KNOWLEDGE_REQUEST", "2", sent, fine)
	event(102, "KNOWLEDGE_REQUEST", "2", pending, fine)
	event(103, "KNOWLEDGE_REQUEST", "3", pending, "'HTTP 413'")
	event(104, "KNOWLEDGE_REQUEST", "2", sent, fine)
	event(105, "KNOWLEDGE_PUBLISHED", "NULL", pending, fine)
	event(106, "KNOWLEDGE_REQUEST", "2", pending, fine)
	event(107, "KNOWLEDGE_REQUEST", "3", sent, fine)
	event(109, "KNOWLEDGE_REQUEST", "3", sent, fine)
	run("DELETE FROM events WHERE id = " + strconv.Itoa(first+109))
	must(t, apply(t, conn, known))

	for query, want := range map[string][]string{
		"SELECT reader || ' ' || done_seq || ' ' || settled FROM progresses ORDER BY reader":                 {"people #107 #104", "subscriptions #107 "},
		"SELECT recipient || ' from ' || from_seq FROM parked WHERE reader = 'people' AND state = 'WAITING'": {"2 from #102"},
		"SELECT recipient || ' from ' || from_seq FROM parked WHERE reader = 'subscriptions' ORDER BY recipient": {
			"KNOWLEDGE_PUBLISHED from #105", "KNOWLEDGE_REQUEST recipient:2 from #102", "actor:1 from #102", "recipient:2 from #102",
		},
		"SELECT recipient || ' ' || from_seq || ' ' || error || ' ' || attempts FROM parked WHERE state = 'SKIPPED'":     {"3 #103 HTTP 413 1"},
		"INSERT INTO events (created_at, kind, payload) VALUES ('2026-11-02', 'KNOWLEDGE_PUBLISHED', '{}') RETURNING id": {"#110"},
	} {
		for i, text := range want {
			want[i] = regexp.MustCompile(`#\d+`).ReplaceAllStringFunc(text, func(id string) string {
				n, err := strconv.Atoi(id[1:])
				must(t, err)
				return strconv.Itoa(first + n)
			})
		}
		if got := names(t, conn, query); !slices.Equal(got, want) {
			t.Errorf("%s\n gives %q, want %q", query, got, want)
		}
	}
	if got := names(t, conn, "PRAGMA foreign_key_check"); len(got) > 0 {
		t.Errorf("foreign keys are broken: %v", got)
	}
}
