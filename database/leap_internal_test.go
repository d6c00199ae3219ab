package database

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"lorebridge/auth"
	"lorebridge/ent/event"
)

// A client may have seen events that came after a backup. It must not take one that comes after the restore for one
// of them.
func TestTheIDsOfEventsLeapAtEachStart(t *testing.T) {
	t.Parallel()
	const perHour = leapPerSecond * 3600
	for name, test := range map[string]struct {
		ago         time.Duration // when the last event happened
		least, most int           // the leap
	}{
		"an hour ago":         {time.Hour, perHour, perHour + leapPerSecond*60},
		"just now":            {0, 1, leapPerSecond * 60},
		"ten hours ago":       {10 * time.Hour, leapQuickly, leapQuickly + 1},
		"years ago":           {10_000 * time.Hour, leapSlowly * 10_000 * 3600, leapSlowly*10_000*3600 + leapSlowly*60},
		"by a clock in front": {-time.Hour, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "test.db")}
			put := func(ago time.Duration) int {
				client, err := Open(t.Context(), c)
				must(t, err)
				defer func() { must(t, client.Close()) }()
				must(t, Leap(t.Context(), client))
				e, err := client.Event.Create().SetKind(event.KindKnowledgePublished).SetPayload([]byte("{}")).
					SetCreatedAt(time.Now().UTC().Add(-ago)).Save(auth.AsSystem(t.Context()))
				must(t, err)
				return e.ID
			}
			first := put(test.ago)
			second := put(0)
			if leap := second - first - 1; leap < test.least || leap > test.most {
				t.Errorf("it leaps by %d, want %d to %d", leap, test.least, test.most)
			}
		})
	}
}

// The ids of a table are limited, and events need the last ones.
func TestTheIDsOfEventsLeapToNoEnd(t *testing.T) {
	t.Parallel()
	c := Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "test.db")}
	const near = 6<<32 + 1<<32/4*3 + 1 // the first id of events is 6<<32 + 1
	client, err := Open(t.Context(), c)
	must(t, err)
	must(t, client.Close())
	db, err := sql.Open("sqlite3", fileURL(c.Path(), nil))
	must(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO events (id, created_at, kind, payload) VALUES (?, ?, 'KNOWLEDGE_PUBLISHED', '{}')",
		near, time.Now().UTC().Add(-time.Hour))
	must(t, err)
	must(t, db.Close())
	client, err = Open(t.Context(), c)
	must(t, err)
	defer func() { must(t, client.Close()) }()
	must(t, Leap(t.Context(), client))
	e, err := client.Event.Create().SetKind(event.KindKnowledgePublished).SetPayload([]byte("{}")).Save(auth.AsSystem(t.Context()))
	must(t, err)
	if e.ID != near+1 {
		t.Errorf("it leaps from %d to %d", near, e.ID)
	}
}
