package graph_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/graph"
)

const askRealtime = `{ me { name } realtime { channel } }`

func TestAnUnknownErrorIsOnlyInTheLog(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) {
		p.seams.Realtime = func(context.Context, int) (*graph.Realtime, error) { return nil, errors.New("the secret is 42") }
	})
	a := h.ask(h.person("Ada"), askRealtime)
	a.rejected("INTERNAL")
	if a.status != http.StatusOK || a.Errors[0].Message != "internal error" || strings.Contains(a.body, "42") {
		t.Errorf("the client gets %d %s", a.status, a.body)
	}
	if logged := h.journal.takeErrors(); len(logged) != 1 || !strings.Contains(logged[0], "the secret is 42") || !strings.Contains(logged[0], "realtime") {
		t.Errorf("the log has %q", logged)
	}
}

func TestAPanicEndsOnlyItsField(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) {
		p.seams.Realtime = func(context.Context, int) (*graph.Realtime, error) { panic("the secret is 42") }
	})
	ada := h.person("Ada")
	for range 2 {
		a := h.ask(ada, askRealtime)
		a.rejected("INTERNAL")
		if a.status != http.StatusOK || a.Errors[0].Message != "internal error" || strings.Contains(a.body, "42") {
			t.Errorf("the client gets %d %s", a.status, a.body)
		}
		if logged := h.journal.takeErrors(); len(logged) != 1 || !strings.Contains(logged[0], "the secret is 42") || !strings.Contains(logged[0], "errors_test.go") {
			t.Errorf("the log has %q, want it once, with the stack", logged)
		}
	}
	if name := h.ask(ada, `{ me { name } }`).get("me", "name"); name != "Ada" {
		t.Errorf("afterwards the viewer is %s", name)
	}
}

func TestAnOperationThatTakesTooLongIsATimeout(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	before := h.rows()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for name, p := range map[string]person{"nobody": nobody, "somebody": ada} {
		for _, query := range []string{`{ me { name } }`, `{ users { totalCount } }`, `mutation { createKnowledge(input: {title: "x", content: ""}) { knowledge { id } } }`} {
			body, err := json.Marshal(map[string]string{"query": query})
			must(t, err)
			request := httptest.NewRequestWithContext(late, http.MethodPost, "/graphql", strings.NewReader(string(body)))
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Authorization", "Bearer "+p.token)
			recorder := httptest.NewRecorder()
			h.handler.ServeHTTP(recorder, request)
			a := answer{t: t, status: recorder.Code, body: recorder.Body.String()}
			must(t, json.Unmarshal(recorder.Body.Bytes(), &a))
			if a.code() != "TIMEOUT" {
				t.Errorf("%s, %s: answered %d %s", name, title(query), a.status, a.body)
			}
		}
	}
	if h.rows() != before {
		t.Error("something is written")
	}
}

func TestAHandlerNeedsItsDeps(t *testing.T) {
	t.Parallel()
	h := build(t)
	whole := graph.Deps{
		Client: h.client, WithTx: h.log.WithTx, Accounts: h.accounts, Logger: slog.New(slog.DiscardHandler), Subscriptions: h.subscriptions,
		Realtime: func(context.Context, int) (*graph.Realtime, error) { return &graph.Realtime{}, nil },
	}
	if _, err := graph.NewHandler(graph.Settings{RequestsPerMinute: 1}, whole); err != nil {
		t.Fatal(err)
	}
	if _, err := graph.NewHandler(graph.Settings{}, whole); err == nil || !strings.Contains(err.Error(), "REQUESTS_PER_MINUTE") {
		t.Errorf("without settings: %v", err)
	}
	for name, change := range map[string]func(*graph.Deps){
		"a client":      func(d *graph.Deps) { d.Client = nil },
		"transactions":  func(d *graph.Deps) { d.WithTx = nil },
		"accounts":      func(d *graph.Deps) { d.Accounts = nil },
		"a logger":      func(d *graph.Deps) { d.Logger = nil },
		"subscriptions": func(d *graph.Deps) { d.Subscriptions = nil },
		"realtime":      func(d *graph.Deps) { d.Realtime = nil },
	} {
		deps := whole
		change(&deps)
		if _, err := graph.NewHandler(graph.Settings{RequestsPerMinute: 1}, deps); err == nil {
			t.Errorf("without %s there is a handler", name)
		}
	}
}

func TestAMutationWhoseTransactionCannotBeginIsInternal(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	broken := graph.Deps{
		Client: h.client, Accounts: h.accounts, Logger: slog.New(h.journal), Subscriptions: h.subscriptions,
		WithTx: func(context.Context, func(context.Context, *ent.Client) error) error {
			return errors.New("disk I/O error")
		},
		Realtime: func(context.Context, int) (*graph.Realtime, error) { return &graph.Realtime{}, nil },
	}
	api, err := graph.NewHandler(graph.Settings{RequestsPerMinute: 100}, broken)
	must(t, err)
	for _, row := range mutations {
		if !strings.Contains(row.operation, "createKnowledge") && !strings.Contains(row.operation, "markNotificationsRead") {
			continue
		}
		body, err := json.Marshal(map[string]string{"query": fill(row.operation)})
		must(t, err)
		request := httptest.NewRequestWithContext(auth.NewContext(t.Context(), auth.Viewer{UserID: ada.id}), http.MethodPost, "/graphql", strings.NewReader(string(body)))
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		api.ServeHTTP(recorder, request)
		if got := recorder.Body.String(); !strings.Contains(got, `"code":"INTERNAL"`) || strings.Contains(got, "disk") {
			t.Errorf("%s is answered %s", title(row.operation), got)
		}
	}
	for _, line := range h.journal.takeErrors() {
		if !strings.Contains(line, "disk I/O error") {
			t.Errorf("logged: %s", line)
		}
	}
}
