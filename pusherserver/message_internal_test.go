package pusherserver

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
)

func TestTextFramesAreThoseOfTheLibraryAtEveryLengthOfTheHeader(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte("x"), n)
		if got, want := textFrame(payload), ws.MustCompileFrame(ws.NewTextFrame(payload)); !bytes.Equal(got, want) {
			t.Errorf("frame of %d bytes begins with %x, want %x", n, got[:min(len(got), 12)], want[:min(len(want), 12)])
		}
	}
}
