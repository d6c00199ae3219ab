package realtime_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"lorebridge/bridge"
)

func TestPoint1ASubscriptionIsAnsweredWithItsChannel(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(*quietOptions)
		document string
		channel  string // a regular expression
		channels []string
	}{
		"a named operation": {
			func(*quietOptions) {}, `subscription News { knowledgePublished { title } }`,
			`^private-gql-[a-z2-7]{26}$`,
			[]string{"knowledgePublished", "News"},
		},
		"a nameless one with an alias": {
			func(*quietOptions) {}, `subscription { fresh: knowledgePublished { title } }`,
			`^private-gql-[a-z2-7]{26}$`,
			[]string{"knowledgePublished"},
		},
		"encrypted": {
			encrypting, `subscription { knowledgeRequestReceived { question } }`,
			`^private-encrypted-gql-[a-z2-7]{26}$`,
			[]string{"knowledgeRequestReceived"},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t, test.change)
			ada := q.person("Ada")
			seen := make(map[string]bool)
			for range 3 {
				a := q.execute(ada, test.document, nil)
				channel := a.channel()
				if !regexp.MustCompile(test.channel).MatchString(channel) || seen[channel] {
					t.Errorf("%s: the channel is %q", name, channel)
				}
				seen[channel] = true
				channels := make(map[string]string)
				for _, key := range test.channels {
					channels[key] = channel
				}
				announced, err := json.Marshal(map[string]any{"version": 2, "channel": channel, "channels": channels})
				must(t, err)
				// Point 4: without a first value the answer has no field, because null would be a value.
				if want := `{"data":{},"extensions":{"lighthouse_subscriptions":` + string(announced) + `}}`; a.body != want {
					t.Errorf("%s: got %s, want %s", name, a.body, want)
				}
			}
		})
	}
}

func TestPoint4AFirstValueComesWithTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		request := q.ask(ada, bob, "Why?")
		changed := `subscription ($id: ID!) { now: knowledgeRequestChanged(id: $id) { status } }`
		a := q.execute(ada, changed, map[string]any{"id": request})
		if string(a.Data) != `{"now":{"status":"PENDING"}}` || a.channel() == "" || a.Extensions["lighthouse_subscriptions"] == nil {
			t.Errorf("got %s", a.body)
		}
		q.respond(bob, request, "DENIED")
		// No event can follow, so there is no channel and no row.
		stored := q.rows()
		a = q.execute(ada, changed, map[string]any{"id": request})
		if a.body != `{"data":{"now":{"status":"DENIED"}}}` || a.channel() != "" || q.rows() != stored {
			t.Errorf("got %s, channel %q", a.body, a.channel())
		}
	})
}

func TestPoint2ARejectedSubscriptionHasNoChannelAndLeavesNothing(t *testing.T) {
	t.Parallel()
	const good = `subscription { knowledgePublished { title } }`
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, func(p *quietOptions) { p.subscriptions.PerPerson = 2 })
		ada, bob, eve := q.person("Ada"), q.person("Bob"), q.person("Eve")
		request := q.ask(ada, bob, "Why?")
		for name, test := range map[string]struct {
			asker    person
			document string
			header   []string
			want     string
		}{
			"nobody":                     {nobody, good, nil, "UNAUTHENTICATED"},
			"nobody, with a field's id":  {nobody, `subscription { knowledgeRequestChanged(id: "` + request + `") { id } }`, nil, "UNAUTHENTICATED"},
			"another's request":          {eve, `subscription { knowledgeRequestChanged(id: "` + request + `") { id } }`, nil, "NOT_FOUND"},
			"no such request":            {ada, `subscription { knowledgeRequestChanged(id: "7") { id } }`, nil, "NOT_FOUND"},
			"no such field":              {ada, `subscription { gossip { id } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
			"no GraphQL":                 {ada, `subscription {`, nil, "GRAPHQL_PARSE_FAILED"},
			"two fields":                 {ada, `subscription { a: knowledgePublished { id } b: knowledgeRequestReceived { id } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
			"one field twice":            {ada, `subscription { a: knowledgePublished { id } b: knowledgePublished { id } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
			"two fields from a fragment": {ada, `subscription { knowledgePublished { id } ...More } fragment More on Subscription { b: knowledgePublished { id } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
			"two fields inline":          {ada, `subscription { knowledgePublished { id } ... on Subscription { b: knowledgePublished { id } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
			"the name of the type":       {ada, `subscription { __typename }`, nil, "GRAPHQL_VALIDATION_FAILED"},
			"a field and the type":       {ada, `subscription { knowledgePublished { id } __typename }`, nil, "GRAPHQL_VALIDATION_FAILED"},
			"the field skipped":          {ada, `subscription { knowledgePublished @skip(if: true) { id } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
			"the field not included":     {ada, `subscription ($yes: Boolean = false) { knowledgePublished @include(if: $yes) { id } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
			"the fragment skipped":       {ada, `subscription { ... @skip(if: true) { knowledgePublished { id } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
			"a protocol unheard of":      {ada, good, []string{"X-Subscription-Protocol", "carrier-pigeon"}, "BAD_USER_INPUT:X-Subscription-Protocol"},
			"a very long protocol":       {ada, good, []string{"X-Subscription-Protocol", strings.Repeat("long", 1000)}, "BAD_USER_INPUT:X-Subscription-Protocol"},
			"a compression unheard of":   {ada, good, []string{"X-Subscription-Compress", "brotli"}, "BAD_USER_INPUT:X-Subscription-Compress"},
			"a document too long to keep": {
				ada, good + "#" + strings.Repeat("x", 16<<10-len(good)), nil, "BAD_USER_INPUT:query",
			},
		} {
			a := q.execute(test.asker, test.document, nil, test.header...)
			if a.code() != test.want || a.channel() != "" || a.Extensions != nil || len(a.body) > 1000 || strings.Contains(a.body, `"data":{`) {
				t.Errorf("%s: got %s with channel %q, want %s", name, a.body, a.channel(), test.want)
			}
		}
		if n := q.rows(); n != 0 {
			t.Errorf("%d were stored", n)
		}
		// The rejected subscriptions hold no places either.
		for range 2 {
			q.subscribe(ada, good)
		}
		if a := q.execute(ada, good, nil); a.code() != "RATE_LIMITED" || a.channel() != "" || a.Extensions != nil {
			t.Errorf("beyond the limit: got %s with channel %q", a.body, a.channel())
		}
		q.subscribe(bob, good+"#"+strings.Repeat("x", 16<<10-len(good)-1)) // the longest document that is accepted
	})
}

func TestPoint3OtherOperationsHaveNoChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		for _, document := range []string{
			`{ me { name } }`,
			`{ me { nothing } }`,
			`mutation { createKnowledge(input: {title: "roots", content: ""}) { knowledge { title } } }`,
		} {
			a := q.execute(ada, document, nil, "X-Subscription-ID", "from-urql", "X-Subscription-Protocol", "carrier-pigeon")
			if a.channel() != "" || a.Extensions != nil {
				t.Errorf("%s: got %s with channel %q", document, a.body, a.channel())
			}
		}
	})
}

func TestTheHeadersOfASubscriptionAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		for _, test := range []struct {
			protocol, compress string
			want               bridge.Protocol
			compressed         bool
		}{
			{"", "", bridge.ProtocolUnset, false},
			{"both", "gzip", bridge.ProtocolBoth, true},
			{" Graphql-Ruby ", "GZIP", bridge.ProtocolGraphqlRuby, true},
			{"lighthouse", "", bridge.ProtocolLighthouse, false},
			{"LIGHTHOUSE-ECHO", "", bridge.ProtocolLighthouseEcho, false},
		} {
			channel := q.subscribe(ada, `subscription { knowledgePublished { title } }`,
				"X-Subscription-Protocol", test.protocol, "X-Subscription-Compress", test.compress)
			if row := q.row(channel); bridge.Protocol(row.Protocol) != test.want || row.Compress != test.compressed {
				t.Errorf("%q, %q: kept %s, %t", test.protocol, test.compress, row.Protocol, row.Compress)
			}
		}
	})
}

// The stored document is executed, even if the request had only its hash.
func TestAPersistedSubscriptionIsStoredWithItsText(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		const document = `subscription News { knowledgePublished { title } }`
		hash := sha256.Sum256([]byte(document))
		persisted := map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hex.EncodeToString(hash[:])}}
		if a := q.send(ada, map[string]any{"extensions": persisted}); a.code() != "PERSISTED_QUERY_NOT_FOUND" || a.channel() != "" {
			t.Errorf("unknown: got %s", a.body)
		}
		q.send(bob, map[string]any{"query": document, "extensions": persisted})
		channel := q.send(ada, map[string]any{"extensions": persisted}).channel()
		if row := q.row(channel); row.Document != document || row.OperationName != "News" || row.Field != "knowledgePublished" {
			t.Errorf("stored %+v", row)
		}
		// It is also executed by a process that has never received the hash.
		q.join(ada, channel, "")
		q.wait(0)
		q.stop()
		q.start()
		q.join(ada, channel, "")
		q.newCalls()
		q.publish(bob, "compilers", "")
		if events := sentTo(q.newCalls(), channel); len(events) == 0 || !strings.Contains(events[0].Data, `{"title":"compilers"}`) {
			t.Errorf("got %v", events)
		}
	})
}

func TestVariablesDefaultsAndAliasesAreRunAsTheyWereSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		byID := func(request string) map[string]any { return map[string]any{"id": request} }
		for name, test := range map[string]struct {
			document  string
			variables func(request string) map[string]any
			operation string
			want      string
		}{
			"a string for an id": {
				`subscription ($id: ID!) { knowledgeRequestChanged(id: $id) { status } }`, byID, "",
				`{"knowledgeRequestChanged":{"status":"APPROVED"}}`,
			},
			"a number for an id": {
				`subscription ($id: ID!) { r: knowledgeRequestChanged(id: $id) { status } }`, func(request string) map[string]any { return map[string]any{"id": json.Number(request)} }, "",
				`{"r":{"status":"APPROVED"}}`,
			},
			"a default": {
				`subscription ($id: ID!, $yes: Boolean = true) { knowledgeRequestChanged(id: $id) { status s: status @skip(if: $yes) } }`, byID, "",
				`{"knowledgeRequestChanged":{"status":"APPROVED"}}`,
			},
			"included by a default": {
				`subscription ($id: ID!, $yes: Boolean = true, $no: Boolean!) { knowledgeRequestChanged(id: $id) { status @include(if: $yes) question @include(if: $no) } }`,
				func(request string) map[string]any { return map[string]any{"id": request, "no": false} }, "",
				`{"knowledgeRequestChanged":{"status":"APPROVED"}}`,
			},
			"one operation of several": {
				`query A { me { id } } subscription B ($id: ID!) { knowledgeRequestChanged(id: $id) { ...F } } fragment F on KnowledgeRequest { owner { ...G } } fragment G on User { name }`,
				byID, "B",
				`{"knowledgeRequestChanged":{"owner":{"name":"Bob"}}}`,
			},
			"the type's name": {
				`subscription ($id: ID!) { knowledgeRequestChanged(id: $id) { __typename } }`, byID, "",
				`{"knowledgeRequestChanged":{"__typename":"KnowledgeRequest"}}`,
			},
		} {
			request := q.ask(ada, bob, name)
			channels := make(map[string]string)
			for _, restarted := range []bool{false, true} {
				body := map[string]any{"query": test.document, "variables": test.variables(request), "operationName": test.operation}
				a := q.send(ada, body)
				if a.channel() == "" {
					t.Fatalf("%s: got %s", name, a.body)
				}
				channels[a.channel()] = test.want
				if restarted { // then the variables are read from the table
					q.stop()
					q.start()
				}
			}
			for channel := range channels {
				q.join(ada, channel, bridge.ProtocolGraphqlRuby)
			}
			q.newCalls()
			q.respond(bob, request, "APPROVED")
			calls := q.newCalls()
			for channel, want := range channels {
				events := sentTo(calls, channel)
				if len(events) != 2 {
					t.Fatalf("%s: got %v", name, events)
				}
				var update struct {
					Result struct{ Data json.RawMessage }
				}
				must(t, json.Unmarshal([]byte(events[0].Data), &update))
				if diff := cmp.Diff(want, string(update.Result.Data)); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		}
	})
}
