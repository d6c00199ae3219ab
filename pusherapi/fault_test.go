package pusherapi_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"lorebridge/pusherapi"
)

// answers is a Pusher that gives the same answer to every call. With status 0 it cannot be reached.
type answers struct {
	status int
	body   string
}

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.status == 0 {
		return nil, errors.New("no route to host")
	}
	return &http.Response{
		StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}, nil
}

// failing returns the error of a call that gets this answer.
func failing(t *testing.T, c pusherapi.Config, a answers) error {
	t.Helper()
	c.AppID, c.Key, c.Secret = "1", "key", "secret"
	client, err := pusherapi.New(c, pusherapi.Deps{Logger: slog.New(slog.DiscardHandler), Transport: a})
	if err != nil {
		t.Fatal(err)
	}
	err = client.Trigger(t.Context(), "events", pusherapi.Event{Channel: "news", Name: "headline", Data: "{}"})
	if err == nil {
		t.Fatalf("the answer %d %q is no error", a.status, a.body)
	}
	return err
}

func TestHintsNameTheSettingsOfTheApplicationAndElseTheFieldsOfConfig(t *testing.T) {
	t.Parallel()
	fields := pusherapi.Names{AppID: "AppID", Key: "Key", Secret: "Secret", Cluster: "Cluster", Host: "Host", TLS: "TLS"}
	settings := pusherapi.Names{
		AppID: "MY_APP", Key: "MY_KEY", Secret: "MY_SECRET", Cluster: "MY_CLUSTER", Host: "MY_HOST", TLS: "MY_SCHEME",
	}
	for _, tt := range []struct {
		host   string
		answer answers
		hint   func(pusherapi.Names) string
	}{
		{"pusher.test", answers{http.StatusUnauthorized, "Unknown auth_key"}, func(n pusherapi.Names) string {
			return fmt.Sprintf("check %s, and %s or %s", n.Key, n.Cluster, n.Host)
		}},
		{"pusher.test", answers{http.StatusUnauthorized, "Invalid signature"}, func(n pusherapi.Names) string {
			return fmt.Sprintf("check %s: it must belong to %s", n.Secret, n.Key)
		}},
		{"pusher.test", answers{http.StatusNotFound, "Unknown app"}, func(n pusherapi.Names) string {
			return fmt.Sprintf("check %s, and that the app is enabled", n.AppID)
		}},
		{"pusher.test", answers{http.StatusBadRequest, "App is in another cluster"}, func(n pusherapi.Names) string {
			return "check " + n.Cluster
		}},
		{"pusher.test", answers{http.StatusOK, "<h1>Welcome</h1>"}, func(n pusherapi.Names) string {
			return fmt.Sprintf("check %s, %s and %s, and the proxies and firewalls between", n.Host, n.TLS, n.AppID)
		}},
		{"pusher.test", answers{}, func(n pusherapi.Names) string {
			return fmt.Sprintf("check %s or %s, and the network between", n.Host, n.Cluster)
		}},
		{"not a host", answers{}, func(n pusherapi.Names) string { return "check " + n.Host }},
	} {
		for _, names := range []struct{ given, shown pusherapi.Names }{
			{pusherapi.Names{}, fields},
			{settings, settings},
		} {
			err := failing(t, pusherapi.Config{Host: tt.host, Names: names.given}, tt.answer)
			if want := ": " + tt.hint(names.shown); !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%+v: the error is %q, want it to end with %q", tt.answer, err, want)
			}
		}
	}
}
