package bridge

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/ent"
	"lorebridge/ent/subscriber"
	"lorebridge/outbox"
)

// Names of events, as the published clients bind to them.
const (
	eventUpdate     = "update"                  // graphql-ruby-client
	eventLighthouse = "lighthouse-subscription" // Lighthouse's links
)

// packet is one Pusher event without its channel.
type packet struct{ name, data string }

// variant is in what form a result is sent.
type variant struct {
	protocol            subscriber.Protocol
	compress, encrypted bool
}

// Oversize is what becomes of a result that is too large for Pusher.
type Oversize string

// What SUBSCRIPTION_OVERSIZE may be.
const (
	OversizeError     Oversize = "error"     // an error that says so is sent instead, and the client reads the result over HTTP
	OversizeDrop      Oversize = "drop"      // nothing is sent
	OversizeTerminate Oversize = "terminate" // the error is sent and the subscription ended
	OversizeFetch     Oversize = "fetch"     // only where to read it is sent: for clients that know
)

func (o Oversize) known() bool {
	return o == OversizeError || o == OversizeDrop || o == OversizeTerminate || o == OversizeFetch
}

// minPayloadLimit is room for what is sent instead of a result, twice and encrypted.
const minPayloadLimit = 2 << 10

// resultPath is where a result that did not fit can be read; docs/protocol.md says how.
const resultPath = "/graphql/subscriptions/result"

// compressFrom is the size in bytes from which it is worth it.
const compressFrom = 2 << 10

// rendering is an outcome in the form of one variant.
type rendering struct {
	packets   []packet
	end       string // why the subscription ends with it; empty where it goes on
	failure   string // what went wrong
	oversized bool   // that is its size
}

// render returns what to send to a subscription for an outcome: the result in the form that its client reads, and where the
// subscription ends, a farewell in packets of its own, for not every client takes both from one.
func (s *Subscriptions) render(o *outcome, sub *subscription, protocol subscriber.Protocol) rendering {
	v := variant{protocol, sub.compress, encrypted(sub.channel)}
	if protocol == subscriber.ProtocolLighthouseEcho { // its packets name the channel
		return s.encode(o, v, sub.channel)
	}
	if o.variants == nil {
		o.variants = make(map[variant]rendering)
	}
	made, ok := o.variants[v]
	if !ok {
		made = s.encode(o, v, "")
		o.variants[v] = made
	}
	return made
}

func (s *Subscriptions) protocolOf(sub *subscription) subscriber.Protocol {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sub.protocol
}

func (s *Subscriptions) encode(o *outcome, v variant, channel string) rendering {
	r := rendering{end: o.end, failure: o.failure}
	if o.result != nil {
		r.packets = envelopes(o.result, v, channel)
		for _, p := range r.packets {
			if size := s.bridge.wireSize(len(p.data), v.encrypted); size > s.config.PayloadLimit {
				s.oversized(&r, o, v, channel, size)
				break
			}
		}
	}
	if r.end != "" {
		r.packets = append(r.packets, farewells[v.protocol]...)
	}
	return r
}

// envelopes wraps a result for each client that may listen.
func envelopes(result []byte, v variant, channel string) []packet {
	text := string(result)
	lighthouse := `{"more":true,"result":` + text
	switch v.protocol {
	case subscriber.ProtocolGraphqlRuby:
		return []packet{{eventUpdate, forRuby(text, v.compress)}}
	case subscriber.ProtocolLighthouse:
		return []packet{{eventLighthouse, lighthouse + "}"}}
	case subscriber.ProtocolLighthouseEcho:
		return []packet{{eventLighthouse, lighthouse + `,"data":` + text + `,"channel":"` + channel + `"}`}}
	case subscriber.ProtocolBoth, subscriber.ProtocolUnset:
	}
	return []packet{{eventUpdate, forRuby(text, v.compress)}, {eventLighthouse, lighthouse + "}"}}
}

// forRuby wraps a result as graphql-ruby-client reads it, packed where that is wanted and makes it shorter.
func forRuby(result string, compress bool) string {
	data := `{"result":` + result + `,"more":true}`
	if compress && len(result) >= compressFrom {
		if packed := `{"compressed_result":"` + compressed(result) + `","more":true}`; len(packed) < len(data) {
			return packed
		}
	}
	return data
}

// farewells tell each client that may listen that nothing follows. They are shared, and must not be changed.
var farewells = map[subscriber.Protocol][]packet{
	subscriber.ProtocolBoth:           {{eventUpdate, farewell}, {eventLighthouse, farewell}},
	subscriber.ProtocolGraphqlRuby:    {{eventUpdate, farewell}},
	subscriber.ProtocolLighthouse:     {{eventLighthouse, farewell}},
	subscriber.ProtocolLighthouseEcho: {{eventLighthouse, farewell}},
}

const farewell = `{"more":false}`

// compressed is what the decompress option of graphql-ruby-client undoes: gzip in standard base64.
func compressed(result string) string {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = writer.Write([]byte(result)) // into memory
	_ = writer.Close()
	return base64.StdEncoding.EncodeToString(packed.Bytes())
}

// oversized puts into r what is sent instead of a result of size bytes.
func (s *Subscriptions) oversized(r *rendering, o *outcome, v variant, channel string, size int) {
	r.oversized = true
	r.failure = fmt.Sprintf("event %d: the result has %d bytes, Pusher takes %d: %s", o.seq, size, s.config.PayloadLimit, s.config.Oversize)
	r.packets = nil
	switch s.config.Oversize {
	case OversizeDrop:
		return
	case OversizeFetch:
		stub := fmt.Sprintf(`{"more":true,"fetch":{"url":%q,"seq":%d,"size":%d}}`, resultPath, o.seq, size)
		for _, end := range farewells[v.protocol] {
			r.packets = append(r.packets, packet{end.name, stub})
		}
		return
	case OversizeTerminate:
		r.end = reasonTooLarge
	case OversizeError:
	}
	instead, err := encodeResult(o.seq, o.at, nil, gqlerror.List{{
		Message: fmt.Sprintf("the result has %d bytes, more than the %d that can be sent: read it from %s, or select less", size, s.config.PayloadLimit, resultPath),
		Extensions: map[string]any{
			"code": "SUBSCRIPTION_PAYLOAD_TOO_LARGE", "limit": s.config.PayloadLimit, "size": size, "seq": o.seq, "fetch": resultPath,
		},
	}})
	if err != nil { // cannot be: numbers and strings
		r.failure = err.Error()
		return
	}
	v.compress = false
	r.packets = envelopes(instead, v, channel)
}

// gap is the result that tells a client that it missed more than can be sent again.
func gap(newest *ent.Event) outcome {
	return newOutcome(newest, &graphql.Response{Errors: gqlerror.List{{
		Message: outbox.ErrGap.Error(), Extensions: map[string]any{"code": "SUBSCRIPTION_GAP"},
	}}}, false)
}

// wireSize is how many bytes n bytes of data become on their way.
func (b *Bridge) wireSize(n int, encrypted bool) int {
	if !encrypted {
		return n
	}
	return sealedSize(n)
}
