package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheDefaultRunIsBounded(t *testing.T) {
	o, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if clients := []int{1, 8, 32, 64}; !slices.Equal(o.clients, clients) {
		t.Errorf("clients %v, want %v", o.clients, clients)
	}
	if sending := time.Duration(o.measurements()) * (o.duration + settling); sending > 100*time.Second {
		t.Errorf("measuring takes %v: with the build it must stay below two minutes", sending)
	}
}

func TestFlagsAreReadAsGiven(t *testing.T) {
	o, err := parseOptions([]string{"-clients", "2, 4", "-work", "mix", "-rounds", "5", "-compare", "b"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.clients, []int{2, 4}) || !slices.Equal(o.works, []work{workMix}) || o.measurements() != 20 {
		t.Errorf("got %+v with %d measurements", o, o.measurements())
	}
}

func TestWrongFlagsAreRejectedByName(t *testing.T) {
	for _, args := range []string{
		"-clients=0", "-clients=1,x", "-clients=1001", "-work=sleep", "-duration=1ms", "-duration=1h", "-rounds=0",
		"-recipients=0", "-pusher=third", "-url=localhost", "-url=http://h/path", "-pid=7", "-url=http://h -bin=x",
	} {
		_, err := parseOptions(strings.Fields(args), io.Discard)
		name, _, _ := strings.Cut(args, "=")
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v", args, err)
		}
	}
	if _, err := parseOptions([]string{"extra"}, io.Discard); err == nil {
		t.Error("an argument too many was taken")
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var help strings.Builder
	if _, err := parseOptions([]string{"-help"}, &help); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	for _, name := range []string{"clients", "work", "duration", "rounds", "recipients", "bin", "compare", "pusher", "url", "pid"} {
		if !strings.Contains(help.String(), "  -"+name) {
			t.Errorf("-%s is missing", name)
		}
	}
}
