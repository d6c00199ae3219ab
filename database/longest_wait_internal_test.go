package database

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/outbox"
)

// million is the number of requests, and of events, that exist before anything is measured.
const million = 1_000_000

// fillTables creates a thousand people and a million requests with their events. It creates the indexes last, which
// takes a tenth of the time.
func fillTables(b *testing.B, d *sqliteDriver) {
	b.Helper()
	exec := func(statement string) {
		b.Helper()
		if _, err := d.writer.DB().ExecContext(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	indexes := indexesOf(b, d)
	for name := range indexes {
		exec(`DROP INDEX ` + name)
	}
	numbers := func(n int) string {
		return fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) `, n)
	}
	exec(numbers(1000) + `INSERT INTO users (created_at, name, name_key, email, password_hash)
		SELECT '2026-01-01', 'P' || i, 'p' || i, i || '@x', '-' FROM n`)
	exec(numbers(million) + `INSERT INTO knowledge_requests (created_at, question, question_hash, status, requester_id, owner_id)
		SELECT printf('2026-01-01 %09d', i), printf('%075d', i), randomblob(32), 'PENDING', 1 + i % 1000, 1 + (i / 7) % 1000 FROM n`)
	exec(`INSERT INTO events (created_at, kind, payload, recipient_id, actor_id, request_id, relayed_at)
		SELECT created_at, 'KNOWLEDGE_REQUEST', printf('%0200d', id), owner_id, requester_id, id, created_at FROM knowledge_requests`)
	for _, statement := range indexes {
		exec(statement)
	}
	exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
}

// indexesOf returns the statements that create the indexes of both tables, by the names of the indexes.
func indexesOf(b *testing.B, d *sqliteDriver) map[string]string {
	b.Helper()
	rows, err := d.reader.DB().QueryContext(b.Context(),
		`SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('knowledge_requests', 'events')`)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	indexes := make(map[string]string)
	for rows.Next() {
		var name, statement string
		if err := rows.Scan(&name, &statement); err != nil {
			b.Fatal(err)
		}
		indexes[name] = statement
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return indexes
}

// BenchmarkLongestWait lets 32 concurrent people create requests in a database with a million requests. It reports
// the longest waits, with SQLite's default size of the WAL and with ours. See docs/performance.md.
func BenchmarkLongestWait(b *testing.B) {
	d, err := openSQLite(b.Context(), filepath.Join(b.TempDir(), "lorebridge.db"))
	if err != nil {
		b.Fatal(err)
	}
	client := ent.NewClient(ent.Driver(d))
	defer func() { _ = client.Close() }()
	events, err := outbox.New(b.Context(), outbox.Config{Client: client, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	fillTables(b, d)
	var asked atomic.Int64
	for _, pages := range []int{1000, 4000, 8000, 1000, 4000, 8000} {
		b.Run(fmt.Sprint("pages=", pages), func(b *testing.B) {
			pragmas := fmt.Sprintf(`PRAGMA wal_autocheckpoint = %d; PRAGMA wal_checkpoint(TRUNCATE)`, pages)
			if _, err := d.writer.DB().ExecContext(b.Context(), pragmas); err != nil {
				b.Fatal(err)
			}
			var mu sync.Mutex
			waits := make([]time.Duration, 0, b.N)
			var people sync.WaitGroup
			left := int64(b.N)
			b.ResetTimer()
			for range 32 {
				people.Go(func() {
					for atomic.AddInt64(&left, -1) >= 0 {
						n := int(asked.Add(1))
						who := 1 + n%1000
						ctx := auth.NewContext(b.Context(), auth.Viewer{UserID: who, Name: "P"})
						began := time.Now()
						err := events.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
							create := tx.KnowledgeRequest.Create().SetRequesterID(who).SetOwnerID(1 + (who+n/1000)%1000).SetQuestion(fmt.Sprintf("%075d", n))
							create.OnConflict().DoNothing()
							_, err := create.Save(ctx)
							return err
						})
						wait := time.Since(began)
						if err != nil {
							b.Error(err)
							return
						}
						mu.Lock()
						waits = append(waits, wait)
						mu.Unlock()
					}
				})
			}
			people.Wait()
			b.StopTimer()
			slices.Sort(waits)
			at := func(permille int) float64 {
				return float64(waits[(len(waits)-1)*permille/1000].Microseconds()) / 1000
			}
			b.ReportMetric(at(500), "p50-ms")
			b.ReportMetric(at(990), "p99-ms")
			b.ReportMetric(at(999), "p99.9-ms")
			b.ReportMetric(at(1000), "longest-ms")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "asked/s")
		})
	}
}
