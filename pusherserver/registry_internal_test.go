package pusherserver

import (
	"errors"
	"io"
	"testing"
)

func TestRegistryKeepsNothingOfClosedConnections(t *testing.T) {
	s, err := New(Config{Apps: []App{published}})
	if err != nil {
		t.Fatal(err)
	}
	source, client := io.Pipe()
	c := newConnection(s, s.appsByID["3"], nowhere{}, source)
	if err := s.registry.enter(c, s.newSocketID); err != nil {
		t.Fatal(err)
	}
	if s.Tag(c.socketID, "ada", "x") != "ada" {
		t.Error("socket is not known")
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	s.goroutines.Wait()
	if len(s.registry.sockets) != 0 || len(s.registry.tagged) != 0 {
		t.Errorf("registry has %d sockets and %d tags", len(s.registry.sockets), len(s.registry.tagged))
	}
}

func TestRegistryAcceptsNobodyAfterDrain(t *testing.T) {
	s, err := New(Config{Apps: []App{published}})
	if err != nil {
		t.Fatal(err)
	}
	s.registry.drain()
	if err := s.registry.enter(newConnection(s, s.appsByID["3"], nowhere{}, nil), s.newSocketID); !errors.Is(err, errDraining) {
		t.Errorf("got error %v, want errDraining", err)
	}
	if s.registry.reject(&rejection{}) {
		t.Error("a rejection was accepted")
	}
}
