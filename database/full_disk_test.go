package database_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/setting"
	"lorebridge/rule"
)

// filled is the report of the process that wrote while its disk was full.
type filled struct {
	Answered map[string]bool // the keys that were written; true if there was room at that time
	Refused  int
	Wrong    []string // errors that are no *rule.UnavailableError
}

// big is a number of rows that exceeds the writer's cache, so that SQLite writes some before COMMIT.
const big = 300

// fill writes with several concurrent writers, in turns with and without a limit on the size of files, and prints its
// report.
func fill(client *ent.Client, path string) error {
	signal.Ignore(syscall.SIGXFSZ) // a write then fails, as on a full disk
	var free syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
		return err
	}
	report, turn := filled{Answered: make(map[string]bool)}, 0
	var mu sync.Mutex
	write := func(room bool, rows int) {
		mu.Lock()
		turn++
		first := turn
		mu.Unlock()
		var writers sync.WaitGroup
		for w := range 8 {
			writers.Go(func() {
				for i := range 6 {
					key, rows := fmt.Sprint(first, "-", w, "-", i), rows
					if w > 0 {
						rows = 1
					}
					err := client.InTx(context.Background(), func(ctx context.Context, tx *ent.Tx) error {
						for row := range rows {
							err := tx.Setting.Create().SetKey(fmt.Sprint(key, "/", row)).SetValue(strings.Repeat("x", 64<<10)).Exec(auth.AsSystem(ctx))
							if err != nil {
								return err
							}
						}
						return nil
					})
					mu.Lock()
					_, unavailable := errors.AsType[*rule.UnavailableError](err)
					switch {
					case err == nil:
						report.Answered[key] = room
					case unavailable:
						report.Refused++
					default:
						report.Wrong = append(report.Wrong, err.Error())
					}
					mu.Unlock()
				}
			})
		}
		writers.Wait()
	}
	for _, rows := range []int{1, big} {
		for _, more := range []int64{0, 1 << 10, 100 << 10, 1 << 20} {
			largest := int64(0)
			for _, name := range []string{path, path + "-wal"} {
				info, err := os.Stat(name)
				if err != nil {
					return err
				}
				largest = max(largest, info.Size())
			}
			tight := free
			tight.Cur = uint64(largest + more)
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &tight); err != nil {
				return err
			}
			write(false, rows)
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
				return err
			}
			write(true, 1)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(report)
}

// Exactly the keys that were reported as written are stored, completely and once. Writes succeed again when there is
// room.
func TestAFullDiskLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	path := file(t)
	process := exec.CommandContext(t.Context(), os.Args[0])
	process.Env = append(os.Environ(), asProcess+"="+path, andFill+"=1")
	var faults strings.Builder
	process.Stderr = &faults
	output, err := process.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, faults.String())
	}
	var report filled
	must(t, json.Unmarshal(output, &report))
	if report.Refused == 0 || len(report.Wrong) > 0 {
		t.Errorf("%d failed as unavailable, and with another error %v", report.Refused, report.Wrong)
	}
	room := 0
	for _, there := range report.Answered {
		if there {
			room++
		}
	}
	if want := 8 * 6 * 8; room != want {
		t.Errorf("while there was room %d of %d were written", room, want)
	}
	stored := make(map[string]int)
	for _, key := range open(t, path).Setting.Query().Select(setting.FieldKey).StringsX(auth.AsSystem(t.Context())) {
		if change, _, ours := strings.Cut(key, "/"); ours {
			stored[change]++
		}
	}
	for change, rows := range stored {
		if _, answered := report.Answered[change]; !answered || rows != 1 && rows != big {
			t.Errorf("%s has %d rows, answered %t", change, rows, answered)
		}
	}
	if len(stored) != len(report.Answered) {
		t.Errorf("%d are stored, %d were answered", len(stored), len(report.Answered))
	}
}
