package graph_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"lorebridge/graph"
)

func TestAWebSocketKnowsWhoAsks(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada, grace := h.person("Ada"), h.person("Grace")
	expired := h.session(ada, time.Now().UTC().Add(-time.Second))
	bearer := func(key, token string) string { return fmt.Sprintf(`,"payload":{%q:"Bearer %s"}`, key, token) }
	for name, test := range map[string]struct {
		header    []string
		payload   string
		want      string // who, or how the connection is closed
		rejection string // of a subscription
	}{
		"the payload":                        {nil, bearer("Authorization", ada.token), "Ada", ""},
		"the payload in lower case":          {nil, bearer("authorization", ada.token), "Ada", ""},
		"the header":                         {[]string{"Authorization", "Bearer " + ada.token}, "", "Ada", ""},
		"the cookie":                         {[]string{"Cookie", h.installation.Cookie(false) + "=" + ada.token}, "", "Ada", ""},
		"the payload rather than the cookie": {[]string{"Cookie", h.installation.Cookie(false) + "=" + ada.token}, bearer("Authorization", grace.token), "Grace", ""},
		"the cookie where the payload is empty": {
			[]string{"Cookie", h.installation.Cookie(false) + "=" + ada.token}, `,"payload":{"Authorization":""}`, "Ada", "",
		},
		"nobody":            {nil, "", "", "sign in first: nobody is signed in"},
		"an empty payload":  {nil, `,"payload":null`, "", "sign in first: nobody is signed in"},
		"an expired cookie": {[]string{"Cookie", h.installation.Cookie(false) + "=" + expired}, "", "", "this session has expired or been signed out, or never was: sign in again"},
		"an expired token":  {nil, bearer("Authorization", expired), "4401 Unauthorized: this session has expired or been signed out, or never was: sign in again", ""},
		"an invented token in spite of the cookie": {
			[]string{"Cookie", h.installation.Cookie(false) + "=" + ada.token},
			bearer("Authorization", "x"),
			"4401 Unauthorized: this session has expired or been signed out, or never was: sign in again", "",
		},
		"another scheme": {nil, `,"payload":{"Authorization":"Basic x"}`, `4400 Authorization in the payload must be there once, as "Bearer " and a token`, ""},
		"two tokens":     {nil, `,"payload":{"Authorization":"Bearer x","authorization":"Bearer y"}`, `4400 Authorization in the payload must be there once, as "Bearer " and a token`, ""},
		"no text":        {nil, `,"payload":{"Authorization":1}`, `4400 Authorization in the payload must be there once, as "Bearer " and a token`, ""},
	} {
		socket := h.dial(test.header...)
		socket.send(`{"type":"connection_init"` + test.payload + `}`)
		f, err := socket.read()
		if err != nil {
			var closed websocket.CloseError
			if !errors.As(err, &closed) || fmt.Sprintf("%d %s", closed.Code, closed.Reason) != test.want {
				t.Errorf("%s: closed with %v, want %s", name, err, test.want)
			}
			continue
		}
		if f.Type != "connection_ack" {
			t.Fatalf("%s: got %v", name, f)
		}
		socket.subscribe("1", `{ me { name } }`)
		if got := socket.want("next", "1").get(t, "me"); got != "null" && got != fmt.Sprintf(`{"name":%q}`, test.want) || got == "null" && test.want != "" {
			t.Errorf("%s: %s asks, want %s", name, got, test.want)
		}
		socket.want("complete", "1")
		if test.rejection != "" {
			socket.subscribe("2", received)
			if f := socket.want("next", "2"); f.code(t) != "UNAUTHENTICATED" || !strings.Contains(string(f.Payload), test.rejection) {
				t.Errorf("%s: %s", name, f.Payload)
			}
			socket.want("complete", "2")
		}
	}
}

func TestABreachOfTheProtocolHasACloseCode(t *testing.T) {
	t.Parallel()
	h := build(t)
	const (
		initiate = `{"type":"connection_init"}`
		query    = `"payload":{"query":"{ me { name } }"}`
	)
	for name, test := range map[string]struct {
		messages []string
		want     websocket.StatusCode
	}{
		"no JSON":                     {[]string{`{"type":`}, 4400},
		"no object":                   {[]string{`[]`}, 4400},
		"more than one":               {[]string{initiate + initiate}, 4400},
		"not UTF-8":                   {[]string{"{\"type\":\"ping\",\"id\":\"\xff\"}"}, 4400},
		"no type":                     {[]string{`{}`}, 4400},
		"a type in capitals":          {[]string{`{"type":"PING"}`}, 4400},
		"a type that is no text":      {[]string{`{"type":null}`}, 4400},
		"names in capitals":           {[]string{`{"TYPE":"ping"}`}, 4400},
		"a name twice":                {[]string{`{"type":"ping","type":"ping"}`}, 4400},
		"half a character":            {[]string{`{"type":"ping","id":"\ud83d"}`}, 4400},
		"a ping with a string":        {[]string{initiate, `{"type":"ping","payload":"x"}`}, 4400},
		"a ping with half a payload":  {[]string{initiate, `{"type":"ping","payload":{"a":"\ud83d"}}`}, 4400},
		"a pong with a list":          {[]string{`{"type":"pong","payload":[]}`}, 4400},
		"an id that is a number":      {[]string{initiate, `{"type":"subscribe","id":1,` + query + `}`}, 4400},
		"an id that is null":          {[]string{initiate, `{"type":"subscribe","id":null,` + query + `}`}, 4400},
		"an id in capitals":           {[]string{initiate, `{"type":"subscribe","ID":"1",` + query + `}`}, 4400},
		"an empty id":                 {[]string{initiate, `{"type":"subscribe","id":"",` + query + `}`}, 4400},
		"nothing to complete":         {[]string{initiate, `{"type":"complete"}`}, 4400},
		"a number to complete":        {[]string{initiate, `{"type":"complete","id":1}`}, 4400},
		"a token twice":               {[]string{`{"type":"connection_init","payload":{"Authorization":"Bearer x","authorization":"Bearer x"}}`}, 4400},
		"an unknown type":             {[]string{`{"type":"start"}`}, 4400},
		"a server's type":             {[]string{initiate, `{"type":"next","id":"1","payload":{}}`}, 4400},
		"a payload that is no object": {[]string{`{"type":"connection_init","payload":"x"}`}, 4400},
		"no id":                       {[]string{initiate, `{"type":"subscribe",` + query + `}`}, 4400},
		"a long id":                   {[]string{initiate, `{"type":"subscribe","id":"` + strings.Repeat("x", 257) + `",` + query + `}`}, 4400},
		"too early":                   {[]string{`{"type":"subscribe","id":"1",` + query + `}`}, 4401},
		"initiated twice":             {[]string{initiate, initiate}, 4429},
		"an id twice": {[]string{
			initiate, `{"type":"subscribe","id":"1","payload":{"query":"subscription { knowledgePublished { id } }"}}`,
			`{"type":"subscribe","id":"1",` + query + `}`,
		}, 4409},
		"a long id twice": {[]string{
			initiate, `{"type":"subscribe","id":"` + strings.Repeat("ü", 128) + `","payload":{"query":"subscription { knowledgePublished { id } }"}}`,
			`{"type":"subscribe","id":"` + strings.Repeat("ü", 128) + `",` + query + `}`,
		}, 4409},
		"an id that runs, without a query": {[]string{
			initiate, `{"type":"subscribe","id":"1","payload":{"query":"subscription { knowledgePublished { id } }"}}`,
			`{"type":"subscribe","id":"1","payload":{}}`,
		}, 4409},
		"too large": {[]string{initiate, `{"type":"ping","payload":{"x":"` + strings.Repeat("x", graph.MaxBody) + `"}}`}, websocket.StatusMessageTooBig},
	} {
		socket := h.dial("Authorization", "Bearer "+h.person("Ada").token)
		for _, message := range test.messages {
			socket.send(message)
		}
		for {
			_, err := socket.read()
			if err == nil {
				continue
			}
			if got := websocket.CloseStatus(err); got != test.want {
				t.Errorf("%s: closed with %v, want %d", name, err, test.want)
			}
			break
		}
	}
	socket := h.dial()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, socket.conn.Write(ctx, websocket.MessageBinary, []byte(initiate)))
	socket.wantClose(4400)
}

func TestAMessageMayBeAsLargeAsABody(t *testing.T) {
	t.Parallel()
	h := build(t)
	socket := h.socket(nobody)
	head, tail := `{"type":"ping","payload":{"x":"`, `"}}`
	socket.send(head + strings.Repeat("x", graph.MaxBody-len(head)-len(tail)) + tail)
	if f := socket.want("pong", ""); len(f.Payload) < graph.MaxBody-100 {
		t.Errorf("%d bytes came back", len(f.Payload))
	}
}

func TestAWebSocketMustBeInitiatedInTime(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.seams.Times.Init = 50 * time.Millisecond })
	h.dial().wantClose(4408)
	h.socket(nobody)
}

func TestAWebSocketIsKeptAliveByPongs(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.seams.Times.Ping = 100 * time.Millisecond })
	answers, silent := h.socket(nobody), h.dial()
	answers.send(`{"type":"ping","payload":{"a":1}}`)
	if got := string(answers.want("pong", "").Payload); got != `{"a":1}` {
		t.Errorf("the pong has %s", got)
	}
	answered := make(chan error, 1)
	go func() {
		f, err := answers.read() // and answers pings until then
		if err == nil && f.Type != "next" {
			err = fmt.Errorf("got %v", f)
		}
		answered <- err
	}()
	silent.send(`{"type":"ping"}`) // before it is initiated
	silent.want("pong", "")
	silent.send(`{"type":"pong"}`)
	silent.send(`{"type":"connection_init"}`)
	silent.want("connection_ack", "")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	pings := 0
	for err == nil {
		if _, _, err = silent.conn.Read(ctx); err == nil {
			pings++
		}
	}
	if code := websocket.CloseStatus(err); code != 4499 || pings == 0 {
		t.Errorf("after %d pings: %v", pings, err)
	}
	select {
	case err := <-answered:
		t.Fatalf("the one who answers: %v", err)
	case <-time.After(500 * time.Millisecond): // the time of five pings
	}
	answers.subscribe("1", `{ me { name } }`)
	must(t, wait(t, answered))
}

func TestUpgradesAreForOurPagesAndOneSubprotocol(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) {
		p.Auth.Origins = []string{"https://lore.example.com/", "http://[2001:db8::1]:3000", "capacitor://localhost"}
	})
	const legacy = "graphql-ws"
	for name, test := range map[string]struct {
		header []string
		want   int
	}{
		"no browser":            {nil, 101},
		"our own page":          {[]string{"Origin", h.url}, 101},
		"a configured origin":   {[]string{"Origin", "https://lore.example.com"}, 101},
		"one with an IPv6 host": {[]string{"Origin", "http://[2001:db8::1]:3000"}, 101},
		"an app's shell":        {[]string{"Origin", "capacitor://localhost"}, 101},
		"our page over TLS":     {[]string{"Origin", strings.Replace(h.url, "http:", "https:", 1)}, 403},
		"its other scheme":      {[]string{"Origin", "http://lore.example.com"}, 403},
		"another origin":        {[]string{"Origin", "https://evil.example.com"}, 403},
		"a part of one":         {[]string{"Origin", "https://lore.example.com.evil.example"}, 403},
		"no origin":             {[]string{"Origin", "null"}, 403},
		"no subprotocol":        {[]string{"Sec-WebSocket-Protocol", ""}, 400},
		"the older one":         {[]string{"Sec-WebSocket-Protocol", legacy}, 400},
		"both":                  {[]string{"Sec-WebSocket-Protocol", legacy + " graphql-transport-ws"}, 101},
		"in capitals":           {[]string{"Sec-WebSocket-Protocol", "GraphQL-Transport-WS"}, 101},
	} {
		socket, response, err := h.upgrade(test.header...)
		if response == nil || response.StatusCode != test.want {
			t.Errorf("%s: %v, want %d", name, err, test.want)
			continue
		}
		if err == nil {
			socket.send(`{"type":"connection_init"}`)
			socket.want("connection_ack", "")
		}
	}
	a := h.post(nobody, ``, "Upgrade", "h2c", "Connection", "Upgrade")
	if a.status != http.StatusBadRequest {
		t.Errorf("an upgrade to something else: %d", a.status)
	}
}

func TestAWebSocketHasAtMostFiftyOperations(t *testing.T) {
	t.Parallel()
	tap, tapping := tapped()
	h := build(t, tapping)
	socket := h.socket(h.person("Ada"))
	for i := range 50 {
		socket.subscribe(fmt.Sprint(i), received)
		wait(t, tap.begun)
	}
	socket.subscribe("50", `{ me { name } }`)
	if f := socket.want("error", "50"); f.code(t) != "RATE_LIMITED" {
		t.Errorf("got %s", f.Payload)
	}
	socket.send(`{"type":"complete","id":"7"}`)
	wait(t, tap.ended)
	socket.send(`{"type":"ping"}`) // an operation that the client completed gets no complete
	socket.want("pong", "")
	for { // until it is out of the way
		socket.subscribe("50", `{ me { name } }`)
		if f := socket.next(); f.Type == "next" {
			break
		}
	}
	socket.want("complete", "50")
}

func TestUnsubscribingFreesThePlace(t *testing.T) {
	t.Parallel()
	tap, tapping := tapped()
	h := build(t, tapping, func(p *plan) { p.Subscriptions.PerPerson = 1 })
	ada := h.person("Ada")
	socket := h.socket(ada)
	socket.subscribe("1", received)
	wait(t, tap.begun)
	socket.subscribe("2", received)
	if f := socket.want("next", "2"); f.code(t) != "RATE_LIMITED" {
		t.Errorf("got %s", f.Payload)
	}
	socket.want("complete", "2")
	socket.send(`{"type":"complete","id":"1"}`)
	socket.send(`{"type":"complete","id":"1"}`) // and again, which means nothing
	wait(t, tap.ended)
	const now = `subscription { knowledgeRequestChanged(id: %s) { id } }` // answers at once
	query := fmt.Sprintf(now, h.askFor(ada, h.person("Grace"), "Why?"))
	for code := "RATE_LIMITED"; code == "RATE_LIMITED"; { // until the place is free
		socket.subscribe("3", query)
		if code = socket.want("next", "3").code(t); code != "" {
			socket.want("complete", "3")
		}
	}
}

// An id may come again as soon as its operation was completed, however long that takes to end.
func TestAnIDCanBeUsedAgain(t *testing.T) {
	t.Parallel()
	tap, tapping := tapped()
	tap.hold = make(chan struct{})
	h := build(t, tapping)
	ada, grace := h.person("Ada"), h.person("Grace")
	socket := h.socket(grace)
	for range 3 {
		socket.subscribe("1", received)
		wait(t, tap.begun)
		socket.send(`{"type":"complete","id":"1"}`)
		wait(t, tap.ended)
	}
	socket.subscribe("1", received)
	wait(t, tap.begun)
	close(tap.hold)
	h.askFor(ada, grace, "Still there?")
	socket.want("next", "1")
	socket.send(`{"type":"complete","id":"1"}`)
	wait(t, tap.ended)
}

func TestOperationsOverAWebSocketKeepTheRulesOfPOST(t *testing.T) {
	t.Parallel()
	h := build(t)
	socket := h.socket(h.person("Ada"))
	for _, test := range []struct{ payload, kind, code string }{
		{`{"query":"{ me { name } }"}`, "next", ""},
		{`{"query":"mutation { createKnowledge(input: {title: \"x\", content: \"\"}) { knowledge { id } } }"}`, "next", ""},
		{`{"query":"mutation($t: String!) { createKnowledge(input: {title: $t, content: \"\"}) { knowledge { id } } }","variables":{"t":12}}`, "error", "BAD_USER_INPUT"},
		{`{"query":"{ users(first: 101) { edges { cursor } } }"}`, "next", "BAD_USER_INPUT"},
		{`{"query":"{ nothing }"}`, "error", "GRAPHQL_VALIDATION_FAILED"},
		{`{"query":"{"}`, "error", "GRAPHQL_PARSE_FAILED"},
		{`{"query":""}`, "error", "BAD_USER_INPUT"},
		{`{"QUERY":"{ me { name } }"}`, "error", "BAD_USER_INPUT"},
		{`{"query":"{ me { name } }","QUERY":"{"}`, "next", ""},
		{`{"query":"{ me { name } }","query":"{"}`, "error", "BAD_USER_INPUT"},
		{`{"query":"{ me { name } }","variables":[]}`, "error", "BAD_USER_INPUT"},
		{`{"query":"{ me { name } }","operationName":5}`, "error", "BAD_USER_INPUT"},
		{`{"query":"{ me { name } }","variables":{"a":"\ud83d"}}`, "error", "BAD_USER_INPUT"},
		{`{"query":"{ me { name } }","variables":{"a":1e400}}`, "error", "BAD_USER_INPUT"},
		{`{"query":"query a { me { name } } query b { me { name } }"}`, "error", "BAD_USER_INPUT"},
		{`{"query":"{ users(search: \"a\\ud83d\") { totalCount } }"}`, "error", "BAD_USER_INPUT"},
		{`null`, "error", "BAD_USER_INPUT"},
		{`"{ me { name } }"`, "error", "BAD_USER_INPUT"},
		{`{"query":1}`, "error", "BAD_USER_INPUT"},
		{`[]`, "error", "BAD_USER_INPUT"},
		{`{"query":"{ __schema { types { name } } }"}`, "error", "GRAPHQL_VALIDATION_FAILED"},
		{`{"query":"subscription { a: knowledgePublished { id } b: knowledgePublished { id } }"}`, "error", "GRAPHQL_VALIDATION_FAILED"},
		{`{"query":"subscription { knowledgePublished @skip(if: true) { id } }"}`, "error", "GRAPHQL_VALIDATION_FAILED"},
		{`{"query":"subscription { __typename }"}`, "error", "GRAPHQL_VALIDATION_FAILED"},
		{`{"query":"mutation { signOut { signedOut } }"}`, "next", "BAD_USER_INPUT"},
		{`{"query":"mutation { signUp(input: {name: \"A\", email: \"a@example.com\", password: \"correct horse\"}) { token } }"}`, "next", "BAD_USER_INPUT"},
		{`{"query":"mutation { signIn(input: {email: \"a@example.com\", password: \"correct horse\"}) { token } }"}`, "next", "BAD_USER_INPUT"},
	} {
		socket.send(`{"type":"subscribe","id":"1","payload":` + test.payload + `}`)
		f := socket.want(test.kind, "1")
		if diff := cmp.Diff(test.code, f.code(t)); diff != "" {
			t.Errorf("%s: %s", test.payload, f.Payload)
		}
		if f.Type == "next" {
			socket.want("complete", "1")
		}
	}
	if n := h.count("users"); n != 1 {
		t.Errorf("there are %d accounts: one was made and its session lost", n)
	}
	socket.subscribe("1", `mutation { signUp(input: {name: "A", email: "a@example.com", password: "correct horse", session: TOKEN}) { token } }`)
	token := socket.want("next", "1").get(t, "signUp", "token")
	if name := h.ask(person{token: token}, `{ me { name } }`).get("me", "name"); name != "A" {
		t.Errorf("the token is %s's", name)
	}
}

// The relay sends what a mutation caused when its answer is out, which it learns from the end of its context.
func TestAMutationOverAWebSocketReachesOthers(t *testing.T) {
	t.Parallel()
	tap, tapping := tapped()
	h := build(t, tapping)
	ada := h.person("Ada")
	socket := h.socket(ada)
	socket.subscribe("1", `subscription { knowledgePublished { title } }`)
	wait(t, tap.begun)
	socket.subscribe("2", `mutation { createKnowledge(input: {title: "Moths", content: ""}) { knowledge { id } } }`)
	seen := map[string]bool{}
	for len(seen) < 3 {
		f := socket.next()
		seen[f.Type+f.ID] = true
	}
	if !seen["next1"] || !seen["next2"] || !seen["complete2"] {
		t.Errorf("got %v", seen)
	}
}
