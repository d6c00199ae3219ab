package main

import (
	"runtime"
	"testing"
	"time"
)

func TestAStatIsReadBehindTheLastParenthesis(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 250 50 7 7 20 0 9 0 381943 3133440 389"
	for name, tt := range map[string]struct {
		stat string
		want time.Duration // 0: an error
	}{
		"a plain name":               {"42 (lorebridge)" + rest, 3 * time.Second},
		"a name that looks like one": {"42 (a) S 1 (b c)" + rest, 3 * time.Second},
		"too short":                  {"42 (lorebridge) S 1 2 3", 0},
		"no name":                    {rest, 0},
		"no numbers":                 {"42 (x) S 1 2 3 4 5 6 7 8 9 10 a b c", 0},
		"nothing":                    {"", 0},
	} {
		got, err := parseStat([]byte(tt.stat))
		if got != tt.want || (err == nil) != (tt.want > 0) {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, tt.want)
		}
	}
}

func TestCPUTimeIsUnknownWithoutAProcess(t *testing.T) {
	if runtime.GOOS == "linux" && !readCPU(ownPID).known {
		t.Error("our own is not known")
	}
	if readCPU(0).known || readCPU(ownPID).since(readCPU(0)).known {
		t.Error("that of no process is known")
	}
}

func TestTheTimesOfAllCPUsAreAddedUpWithoutIdling(t *testing.T) {
	for stat, want := range map[string]time.Duration{
		"cpu  100 20 30 4000 500 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n": 171 * tick,
		"cpu  100 20 30 4000 500 6 7":                                     0,
		"cpu  100 20 30 4000 500 6 7 x":                                   0,
		"intr 100 20 30 4000 500 6 7 8 9 ":                                0,
		"":                                                                0,
	} {
		if got, err := parseAllStat([]byte(stat)); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %v, %v; want %v", stat, got, err, want)
		}
	}
}
