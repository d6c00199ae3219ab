package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"

	"lorebridge/outbox"
)

func TestAPayloadIsTheServers(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 120_000_000, time.UTC)
	question, name := "a \"b\" \\ \n\t\r\x01 <é> 🙂", "Ada \"L.\""
	want, err := outbox.EncodeJSON(outbox.Payload{
		Type: outbox.TypeKnowledgeRequest, RequestID: 42, Question: question, RequesterName: name, CreatedAt: outbox.FormatTime(at),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := appendPayload(nil, &ask{texts: appendTexts(nil, question, name)}, 42, at)
	if !bytes.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAnEventIsJSONWithJSONInIt(t *testing.T) {
	var event struct{ Event, Channel, Data string }
	if err := json.Unmarshal(appendEvent(nil, 7, []byte(`{"question":"a \"b\" \n"}`), 9), &event); err != nil {
		t.Fatal(err)
	}
	want := `{"question":"a \"b\" \n","eventId":"9"}`
	if event.Event != "knowledge-request" || event.Channel != "private-user-7" || event.Data != want {
		t.Errorf("got %+v, want the data %s", event, want)
	}
}

func TestFramesOfEachSizeAreRead(t *testing.T) {
	for _, size := range []int{0, 125, 126, 1<<16 - 1, 1 << 16} {
		text := strings.Repeat("x", size)
		got, err := wsutil.ReadServerText(readWriter{bytes.NewReader(textFrame([]byte(text))), nil})
		if err != nil || string(got) != text {
			t.Errorf("%d bytes: read %d with error %v", size, len(got), err)
		}
	}
}

type readWriter struct {
	*bytes.Reader
	*bytes.Buffer
}

func (rw readWriter) Read(p []byte) (int, error)  { return rw.Reader.Read(p) }
func (rw readWriter) Write(p []byte) (int, error) { return len(p), nil }
