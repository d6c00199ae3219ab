package pusherservertest_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/pusher/pusher-http-go/v5"
	"go.uber.org/goleak"

	"lorebridge/pusherserver"
	"lorebridge/pusherserver/pusherservertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatIsTriggeredArrives(t *testing.T) {
	t.Parallel()
	p := pusherservertest.Start(t, func(c *pusherserver.Config) { c.Apps[0].Key = "another" })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, early, _, err := ws.Dial(ctx, "ws://"+p.Host()+"/app/"+p.App.Key+"?protocol=7")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var source io.Reader = conn
	if early != nil {
		source = early // the first message came together with the response
	}
	read := func(want string) {
		t.Helper()
		text, err := wsutil.ReadServerText(struct {
			io.Reader
			io.Writer
		}{source, conn})
		if err != nil || !strings.Contains(string(text), want) {
			t.Fatalf("got %s, %v; want %s", text, err, want)
		}
	}
	read("pusher:connection_established")
	subscribe := `{"event":"pusher:subscribe","data":{"channel":"news"}}`
	if err := wsutil.WriteClientText(conn, []byte(subscribe)); err != nil {
		t.Fatal(err)
	}
	read("pusher_internal:subscription_succeeded")
	client := pusher.Client{AppID: p.App.ID, Key: p.App.Key, Secret: p.App.Secret, Host: p.Host()}
	if err := client.Trigger("news", "edited", "hello"); err != nil {
		t.Fatal(err)
	}
	read(`"event":"edited"`)
}
