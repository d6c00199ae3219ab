package pusherservertest_test

import (
	"fmt"
	"testing"

	"github.com/pusher/pusher-http-go/v5"

	"lorebridge/pusherserver"
	"lorebridge/pusherserver/pusherservertest"
)

// In a test, t is its *testing.T, and the server ends with the test.
func ExampleStart() {
	t := &exampleTest{}
	defer t.end()

	p := pusherservertest.Start(t, func(c *pusherserver.Config) { c.MaxEventDataBytes = 5 })

	client := pusher.Client{AppID: p.App.ID, Key: p.App.Key, Secret: p.App.Secret, Host: p.Host()}
	fmt.Println(client.Trigger("news", "edited", "short"))
	fmt.Println(client.Trigger("news", "edited", "too long"))
	fmt.Println(p.Stats().Events)
	// Output:
	// <nil>
	// Status Code: 413 - {"error":"data has 8 bytes, at most 5 are allowed"}
	// 1
}

// exampleTest is a test of an example, which gets none.
type exampleTest struct {
	testing.TB
	cleanups []func()
}

func (*exampleTest) Helper()              {}
func (t *exampleTest) Cleanup(end func()) { t.cleanups = append(t.cleanups, end) }

func (t *exampleTest) end() {
	for _, end := range t.cleanups {
		end()
	}
}
