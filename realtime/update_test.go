package realtime_test

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"lorebridge/bridge"
	"lorebridge/ent"
)

// protocolsOnTheWire are the values of X-Subscription-Protocol with the events that each gets for the result R on the
// channel C.
var protocolsOnTheWire = map[string][]sent{
	"graphql-ruby":    {{Name: "update", Data: `{"result":R,"more":true}`}},
	"lighthouse":      {{Name: "lighthouse-subscription", Data: `{"more":true,"result":R}`}},
	"lighthouse-echo": {{Name: "lighthouse-subscription", Data: `{"more":true,"result":R,"data":R,"channel":"C"}`}},
	guessed:           {{Name: "lighthouse-subscription", Data: `{"more":true,"result":R,"data":R}`}},
	"both": {
		{Name: "update", Data: `{"result":R,"more":true}`},
		{Name: "lighthouse-subscription", Data: `{"more":true,"result":R}`},
	},
}

// guessed is a client without a header that uses the path of Lighthouse's clients.
const guessed = "guessed"

func hintOf(protocol string) bridge.Protocol {
	if protocol == guessed {
		return bridge.ProtocolLighthouseGuessed
	}
	return ""
}

// endOf returns the end message of a protocol. The link of thekonz reads only data, and throws if there is none.
func endOf(protocol string) string {
	if protocol == guessed || protocol == "lighthouse-echo" {
		return `{"more":false,"data":{"data":null,"errors":[{"message":"this subscription has ended","extensions":{"code":"SUBSCRIPTION_ENDED"}}]}}`
	}
	return `{"more":false}`
}

// opened returns the events of a channel as its client reads them, after decryption.
func opened(t *testing.T, channel string, events []sent) (all []sent) {
	t.Helper()
	for _, e := range events {
		all = append(all, sent{Name: e.Name, Data: open(t, channel, e.Data)})
	}
	return all
}

// same fails the test unless got has the events of want, in this order.
func same(t *testing.T, what string, got, want []sent) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %.600v\nwant %.600v", what, got, want)
	}
}

func TestPoint18EachProtocolHasItsEventsAndItsEndComesInOneOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t, func(p *quietOptions) {
				if encrypted {
					encrypting(p)
				}
			})
			ada, bob := q.person("Ada"), q.person("Bob")
			for protocol, want := range protocolsOnTheWire {
				what := fmt.Sprintf("%s, encrypted: %t", protocol, encrypted)
				request := q.ask(ada, bob, what)
				a := q.execute(ada, `subscription ($id: ID!) { knowledgeRequestChanged(id: $id) { status question } }`,
					map[string]any{"id": request}, "X-Subscription-Protocol", strings.TrimPrefix(protocol, guessed))
				q.join(ada, a.channel(), hintOf(protocol))
				q.newCalls()
				q.respond(bob, request, "APPROVED")
				calls := q.newCalls()
				events := opened(t, a.channel(), sentTo(calls, a.channel()))

				row, err := q.client.Event.Query().Order(newest).First(q.system())
				must(t, err)
				result := fmt.Sprintf(`{"data":{"knowledgeRequestChanged":{"status":"APPROVED","question":%q}},"extensions":{"subscription":{"seq":%d,"ts":%q}}}`,
					what, row.ID, row.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z"))
				var all []sent
				for _, e := range want {
					all = append(all, sent{Name: e.Name, Data: strings.NewReplacer("R", result, "C", a.channel()).Replace(e.Data)})
				}
				for _, e := range want {
					all = append(all, sent{Name: e.Name, Data: endOf(protocol)})
				}
				same(t, what, events, all)
				if len(calls) != len(all) { // later events need a later call, because Pusher does not promise an order within one call
					t.Errorf("%s: %d calls for %d events", what, len(calls), len(all))
				}
			}
		})
	}
}

// decompress does what the guide of graphql-ruby-client recommends.
func decompress(t *testing.T, compressed string) string {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(compressed)
	must(t, err)
	reader, err := gzip.NewReader(strings.NewReader(string(packed)))
	must(t, err)
	text, err := io.ReadAll(reader)
	must(t, err)
	return string(text)
}

func TestPoint17CompressionIsForThoseWhoAskAndOnlyWhereItHelps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		const document = `subscription { knowledgePublished { title content } }`
		compressed := make(map[string]string) // by protocol
		for protocol := range protocolsOnTheWire {
			compressed[protocol] = q.subscribe(ada, document, "X-Subscription-Protocol", strings.TrimPrefix(protocol, guessed), "X-Subscription-Compress", "gzip")
			q.join(ada, compressed[protocol], hintOf(protocol))
		}
		plain := q.subscribeAndJoin(ada, document)
		q.newCalls()
		shortest := len(`{"data":{"knowledgePublished":{"title":"t","content":""}},"extensions":{"subscription":{"seq":25769803777,"ts":"2000-01-01T00:00:00.000Z"}}}`)
		for name, test := range map[string]struct {
			content string
			packed  bool
		}{
			"below the threshold":         {strings.Repeat("a", 2048-shortest-1), false},
			"at the threshold":            {strings.Repeat("a", 2048-shortest), true},
			"large":                       {strings.Repeat("ä", 2500), true},
			"noise":                       {noise(4000), false},
			"too large unless compressed": {strings.Repeat("<&>\"", 3000), true},
		} {
			q.publish(ada, "t", test.content)
			calls := q.newCalls()
			for protocol, channel := range compressed {
				for _, e := range sentTo(calls, channel) {
					var u struct {
						Compressed string `json:"compressed_result"`
						More       bool
						Result     json.RawMessage
					}
					must(t, json.Unmarshal([]byte(e.Data), &u))
					if test.packed != (u.Compressed != "") && protocol == "graphql-ruby" || e.Name != "update" && u.Compressed != "" || !u.More {
						t.Errorf("%s to %s: got %.200v", name, protocol, e)
					}
					if u.Compressed == "" {
						continue
					}
					if want := `{"compressed_result":"` + u.Compressed + `","more":true}`; e.Data != want || u.Result != nil {
						t.Errorf("%s to %s: got %s", name, protocol, e.Data)
					}
					var result struct {
						Data struct{ KnowledgePublished struct{ Content string } }
					}
					must(t, json.Unmarshal([]byte(decompress(t, u.Compressed)), &result))
					if result.Data.KnowledgePublished.Content != test.content {
						t.Errorf("%s to %s: unpacked to %.200v", name, protocol, result)
					}
				}
			}
			if events := sentTo(calls, plain); len(events) != 1 || strings.Contains(events[0].Data, "compressed_result") {
				t.Errorf("%s to a client that did not request it: got %.200v", name, events)
			}
		}
	})
}

// noise returns text that compression followed by base64 does not make shorter.
func noise(n int) string {
	var text strings.Builder
	seed := uint64(42)
	for text.Len() < n {
		seed = seed*6364136223846793005 + 1442695040888963407
		text.WriteRune(rune(0x4e00 + seed>>40%20000)) // three bytes of UTF-8 with more than fourteen random bits
	}
	return text.String()
}

// In each bubble of synctest the clock and the ids begin anew, so the same change has a result of the same size.
func TestPoint16ResultsThatAreTooLargeMeetThePolicy(t *testing.T) {
	t.Parallel()
	const document = `subscription { knowledgePublished { title content } }`
	for protocol, want := range protocolsOnTheWire {
		if protocol == guessed { // it omits data before a result is too large
			continue
		}
		for _, form := range []string{"plain", "compressed", "encrypted", "compressed and encrypted"} {
			t.Run(protocol+" "+form, func(t *testing.T) {
				t.Parallel()
				// publish returns the events of one change, with a limit in bytes.
				publish := func(limit int, policy bridge.Oversize) (channel string, events, read []sent, row string) {
					synctest.Test(t, func(t *testing.T) {
						q := newQuietServer(t, func(p *quietOptions) {
							p.subscriptions.PayloadLimit, p.subscriptions.Oversize = limit, policy
							if strings.Contains(form, "encrypted") {
								encrypting(p)
							}
						})
						ada := q.person("Ada")
						compress := ""
						if strings.Contains(form, "compressed") {
							compress = "gzip"
						}
						channel = q.subscribe(ada, document, "X-Subscription-Protocol", protocol, "X-Subscription-Compress", compress)
						q.join(ada, channel, "")
						q.newCalls()
						q.publish(ada, "t", strings.Repeat("Most of it can be packed. ", 100)+noise(2400))
						events = sentTo(q.newCalls(), channel)
						read = opened(t, channel, events)
						q.publish(ada, "t", "short") // the subscription goes on, unless the policy ends it
						read = append(read, opened(t, channel, sentTo(q.newCalls(), channel))...)
						row = describe(q.row(channel))
					})
					return channel, events, read, row
				}
				_, events, _, _ := publish(100_000, bridge.OversizeError)
				size := 0
				for _, e := range events {
					size = max(size, len(e.Data)) // after encryption by pusher-http-go
				}
				if size < 2048 || protocol != "graphql-ruby" && size < 5000 {
					t.Fatalf("the probe has %d bytes", size)
				}
				for _, policy := range []bridge.Oversize{bridge.OversizeError, bridge.OversizeDrop, bridge.OversizeTerminate, bridge.OversizeFetch} {
					n := len(want)
					_, at, read, row := publish(size, policy)
					if len(at) != n || len(read) != 2*n || !strings.Contains(row, "LIVE") || strings.Contains(row, "too large") {
						t.Errorf("%s at the limit: got %.300v; %s", policy, read, row)
					}
					channel, _, read, row := publish(size-1, policy)
					checkOversized(t, policy, channel, want, size, read, row)
				}
			})
		}
	}
}

// describe returns the state and the last error of a subscription as text.
func describe(row *ent.StoredSubscription) string {
	text := row.State.String()
	for _, words := range []*string{row.LastError, row.ClosedReason} {
		if words != nil {
			text += " " + *words
		}
	}
	return text
}

// checkOversized checks the events of a channel for two results. One has size bytes, which is one more than the limit.
// The other one is small.
func checkOversized(t *testing.T, policy bridge.Oversize, channel string, want []sent, size int, read []sent, row string) {
	t.Helper()
	n := len(want)
	state, count := "LIVE", 2*n
	if policy == bridge.OversizeDrop {
		count = n
	}
	if policy == bridge.OversizeTerminate {
		state = "CLOSED"
	}
	if len(read) != count || !strings.HasPrefix(row, state) || !strings.Contains(row, fmt.Sprintf("the result has %d bytes, Pusher takes %d", size, size-1)) {
		t.Errorf("%s above the limit: got %.600v; %s", policy, read, row)
		return
	}
	if policy != bridge.OversizeDrop {
		for i, e := range read[:n] {
			var u struct {
				More   bool
				Result *struct {
					Data   any
					Errors []struct {
						Extensions struct {
							Code             string
							Limit, Size, Seq int
							Fetch            string
						}
					}
					Extensions struct {
						Subscription struct {
							Seq int
							TS  string
						}
					}
				}
				Fetch *struct {
					URL       string
					Seq, Size int
				}
			}
			must(t, json.Unmarshal([]byte(e.Data), &u))
			if e.Name != want[i].Name || !u.More {
				t.Errorf("%s above the limit: got %v", policy, e)
			}
			if policy == bridge.OversizeFetch {
				if u.Result != nil || u.Fetch == nil || u.Fetch.Size != size || u.Fetch.Seq == 0 || u.Fetch.URL != resultURL(channel, u.Fetch.Seq) {
					t.Errorf("fetch: got %v", e)
				}
				continue
			}
			if u.Result == nil || u.Result.Data != nil || len(u.Result.Errors) != 1 {
				t.Errorf("%s above the limit: got %v", policy, e)
				continue
			}
			extensions, place := u.Result.Errors[0].Extensions, u.Result.Extensions.Subscription
			if extensions.Code != "SUBSCRIPTION_PAYLOAD_TOO_LARGE" || extensions.Size != size || extensions.Limit != size-1 || extensions.Seq == 0 ||
				extensions.Seq != place.Seq || extensions.Fetch != resultURL(channel, extensions.Seq) || !strings.HasPrefix(place.TS, "2000-01-01T00:00:0") {
				t.Errorf("%s above the limit: got %v", policy, e)
			}
		}
	}
	for _, e := range read[count-n:] { // the last ones
		if ended := strings.HasPrefix(e.Data, `{"more":false`); ended != (policy == bridge.OversizeTerminate) || !ended && !strings.Contains(e.Data, `"short"`) {
			t.Errorf("%s: then got %v", policy, e)
		}
	}
}

// resultURL returns the URL of a result, in the form that its client gets.
func resultURL(channel string, seq int) string {
	return fmt.Sprintf("/graphql/subscriptions/result?channel=%s&seq=%d", channel, seq)
}

func TestALighthouseClientWithoutAHeaderIsSentDataOnlyIfBothFormsFit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		channel := q.subscribe(ada, `subscription { knowledgePublished { title content } }`)
		q.join(ada, channel, bridge.ProtocolLighthouseGuessed)
		q.newCalls()
		for _, test := range []struct {
			bytes int
			keys  string
		}{{1_000, "more result data"}, {4_800, "more result data"}, {5_300, "more result"}, {9_000, "more result"}} {
			q.publish(ada, "t", strings.Repeat("a", test.bytes))
			events := sentTo(q.newCalls(), channel)
			if len(events) != 1 {
				t.Fatalf("%d bytes: got %.300v", test.bytes, events)
			}
			var u map[string]json.RawMessage
			must(t, json.Unmarshal([]byte(events[0].Data), &u))
			keys := ""
			for _, key := range []string{"more", "result", "data"} {
				if _, there := u[key]; there {
					keys += " " + key
				}
			}
			if keys != " "+test.keys || u["data"] != nil && string(u["data"]) != string(u["result"]) {
				t.Errorf("%d bytes: got%s", test.bytes, keys)
			}
		}
	})
}

func TestTheProtocolIsLearntFromWhereTheClientAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		for hint, names := range map[bridge.Protocol]string{
			bridge.ProtocolGraphqlRuby:       "update ",
			bridge.ProtocolLighthouseGuessed: "lighthouse-subscription ",
		} {
			channel := q.subscribe(ada, `subscription { knowledgePublished { title } }`)
			q.join(ada, channel, hint)
			q.newCalls()
			q.publish(ada, "compilers", "")
			got := ""
			for _, e := range sentTo(q.newCalls(), channel) {
				got += e.Name + " "
			}
			if got != names {
				t.Errorf("asking at %q: got %s", hint, got)
			}
		}
	})
}
