package example_test

import (
	"testing"

	"lorebridge/e2e/module/testdata/example"
	"lorebridge/pusherserver/pusherservertest"
)

func TestAnEventIsPublished(t *testing.T) {
	p := pusherservertest.Start(t)
	if err := example.Publish(t.Context(), p.Server, p.App, `"hello"`); err != nil {
		t.Fatal(err)
	}
	if n := p.Stats().Events; n != 1 {
		t.Errorf("%d events were published, want 1", n)
	}
}
