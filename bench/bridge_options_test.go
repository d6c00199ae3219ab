package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestBridgeMeasuresBothPartsByDefault(t *testing.T) {
	o, err := parseBridgeOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.same, []int{100, 10_000}) || o.subscriberSockets() != 10_000 || o.distinct != 10_000 {
		t.Errorf("got %+v", o)
	}
}

func TestAPartOfBridgeCanBeLeftOut(t *testing.T) {
	for args, want := range map[string][]int{"-same=0": nil, "-distinct=0 -same=5,7 -sockets=1": {5, 7}} {
		o, err := parseBridgeOptions(strings.Fields(args), io.Discard)
		if err != nil || !slices.Equal(o.same, want) {
			t.Errorf("%s: got %+v, %v", args, o, err)
		}
	}
}

func TestWrongFlagsOfBridgeAreRejectedByName(t *testing.T) {
	for _, args := range []string{
		"-same=100,100", "-same=x", "-same=-1", "-same=0 -distinct=0", "-same=100001", "-distinct=-1", "-sockets=-1", "-sockets=9 -same=5",
		"-sockets=1 -same=2000", "-same=20000 -sockets=19000", "-events=0", "-rounds=0", "-rate=0", "-people=0", "-profile=x -bin=y",
	} {
		_, err := parseBridgeOptions(strings.Fields(args), io.Discard)
		name, _, _ := strings.Cut(args, "=")
		if strings.Contains(args, "-sockets=19000") {
			name = "-sockets"
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v", args, err)
		}
	}
	if _, err := parseBridgeOptions([]string{"extra"}, io.Discard); err == nil {
		t.Error("an argument too many was taken")
	}
}

func TestHelpOfBridgeNamesEveryFlag(t *testing.T) {
	var help strings.Builder
	if _, err := parseBridgeOptions([]string{"-help"}, &help); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	for _, name := range []string{"same", "sockets", "events", "distinct", "rounds", "rate", "people", "bin", "profile"} {
		if !strings.Contains(help.String(), "  -"+name) {
			t.Errorf("-%s is missing", name)
		}
	}
}
