package main

import (
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheDefaultCeilingRunIsThatOfTheAims(t *testing.T) {
	o, err := parseCeilingOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := []pressure{{clients: 1}, {clients: 8}, {clients: 32}, {clients: 64}, {perSecond: 50}, {perSecond: 200}}
	if got := o.pressures(); !slices.Equal(got, want) || o.rounds != 5 {
		t.Errorf("got %v in %d rounds, want %v in 5", got, o.rounds, want)
	}
	if sending := time.Duration(3*(o.rounds+1)*len(want)) * (o.duration + settling); sending > 10*time.Minute {
		t.Errorf("measuring takes %v: it must stay below ten minutes", sending)
	}
}

func TestPartsOfACeilingRunCanBeLeftOut(t *testing.T) {
	o, err := parseCeilingOptions([]string{"-clients", "0", "-paces", "20"}, io.Discard)
	if got := o.pressures(); err != nil || !slices.Equal(got, []pressure{{perSecond: 20}}) || o.requesters() != pacedClients {
		t.Errorf("got %v with %d requesters and error %v", got, o.requesters(), err)
	}
	if l := o.pressures()[0].load(time.Second); l.clients != pacedClients || l.perSecond != 20 {
		t.Errorf("the load is %+v", l)
	}
}

func TestWrongFlagsOfCeilingAreRejectedByName(t *testing.T) {
	for _, args := range []string{
		"-clients=-1", "-clients=1,x", "-paces=1001", "-clients=0 -paces=0", "-duration=1ms", "-rounds=0", "-recipients=0", "-recipients=1001",
	} {
		_, err := parseCeilingOptions(strings.Fields(args), io.Discard)
		name, _, _ := strings.Cut(args, "=")
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v", args, err)
		}
	}
	if _, err := parseCeilingOptions([]string{"extra"}, io.Discard); err == nil {
		t.Error("an argument too many was taken")
	}
	if _, err := parseCeilingOptions([]string{"-help"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-help: got error %v", err)
	}
}

// ceilingRun returns results in which the old server reaches 0.4 of the ceiling's rate, and the server 0.7 and 0.5 of
// it by turns.
func ceilingRun(o ceilingOptions, names ...string) *ceilingResults {
	r := &ceilingResults{options: o, names: names, build: make([]string, len(names)), rounds: map[ceilingCell][]figures{}, mutations: 12}
	for round, share := range []float64{0.7, 0.5, 0.7} {
		ceilingRate := 5000 + 1000*float64(round)
		for _, p := range o.pressures() {
			for i, name := range names {
				f := map[string]figures{
					nameServer:  {rate: share * ceilingRate, serverCPU: 240, sent50: 1.2},
					nameOld:     {rate: 0.4 * ceilingRate, serverCPU: 400, sent50: 2},
					nameCeiling: {rate: ceilingRate, serverCPU: 150, sent50: 0.8},
				}[name]
				r.add(i, p, f, 0.1)
			}
		}
	}
	return r
}

func TestTheTableHasTheMediansOfTheRatiosOfEachRound(t *testing.T) {
	o := ceilingOptions{clients: []int{1, 32}, paces: []int{200}, rounds: 3, duration: time.Second, recipients: 4}
	var out strings.Builder
	ceilingRun(o, nameServer, nameOld, nameCeiling).print(&out, []string{"-old", "b"})
	for _, want := range []string{
		"go run ./bench ceiling -old b\n",
		"- 3 rounds of 1s for each measurement, after one that does not count, and 4 recipients\n",
		"- other programs kept 0.10 (median) and at most 0.10 of the machine's ",
		"- all 12 events arrived once and in order\n",
		"| load | figure | server | old | ceiling | server ÷ ceiling | server ÷ old | old ÷ ceiling |\n",
		"| 1 client | per second | 3500 | 2400 | 6000 | 0.70 | 1.75 | 0.40 |\n", // the server's: 3500, 3000, 4900
		"| 32 clients | server CPU µs | 240 | 400 | 150 | 1.60 | 0.60 | 2.67 |\n",
		"| 200 a second | sent → event p50 ms | 1.20 | 2.00 | 0.80 | 1.50 | 0.60 | 2.50 |\n",
		"- PASS: the ceiling is one: old ÷ ceiling, 32 clients, per second, is 0.40; the aim is 0.33 to 0.45\n",
		"- PASS: the ceiling is one: ceiling ÷ old, 32 clients, CPU, is 0.38; the aim is at most 0.42\n",
		"- FAIL: server ÷ ceiling, 1 client, per second, is 0.70; the aim is at least 0.80\n",
		"- PASS: server ÷ ceiling, 32 clients, per second, is 0.70; the aim is at least 0.60\n",
		"- PASS: server ÷ ceiling, 32 clients, CPU, is 1.60; the aim is at most 1.80\n",
		"- PASS: server ÷ old, 32 clients, per second, is 1.75; the aim is at least 1.60\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("missing %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "8 clients") {
		t.Errorf("there is a line of what was not measured:\n%s", out.String())
	}
}

func TestWithoutAnOldServerTheReportDoesNotMentionIt(t *testing.T) {
	o := ceilingOptions{clients: []int{32}, rounds: 3, duration: time.Second, recipients: 4}
	r := ceilingRun(o, nameServer, nameCeiling)
	r.faults.lost = 2
	var out strings.Builder
	r.print(&out, nil)
	for _, want := range []string{
		"| load | figure | server | ceiling | server ÷ ceiling |\n", "| 32 clients | per second | 3500 | 6000 | 0.70 |\n",
		"- **the server broke its promise: 2 events were lost, ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("missing %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), nameOld) {
		t.Errorf("there is an old server in:\n%s", out.String())
	}
	if share := r.share(nameServer, nameOld, pressure{clients: 32}, rate); !math.IsNaN(share) {
		t.Errorf("its share is %v", share)
	}
}

func TestADatabaseIsCopiedOnlyOnceItIsClosed(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(from, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(databaseFile, "rows")
	if err := copyDatabase(from, to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(to, databaseFile)); err != nil || string(got) != "rows" {
		t.Errorf("copied %q with error %v", got, err)
	}
	write(databaseFile+"-wal", "more rows")
	if err := copyDatabase(from, to); err == nil {
		t.Error("a database was copied without its log")
	}
}
