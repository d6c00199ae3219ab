package bridge

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/pusherapi"
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
	protocol            Protocol
	compress, encrypted bool
}

// Oversize is what becomes of a result that is too large for Pusher.
type Oversize string

// What becomes of a result that is too large.
const (
	OversizeError     Oversize = "error"     // an error is sent instead, with the address where the client can read the result
	OversizeDrop      Oversize = "drop"      // nothing is sent
	OversizeTerminate Oversize = "terminate" // the error is sent and the subscription ended
	OversizeFetch     Oversize = "fetch"     // only where to read it is sent: for clients that know
)

func (o Oversize) known() bool {
	return o == OversizeError || o == OversizeDrop || o == OversizeTerminate || o == OversizeFetch
}

// MinPayloadLimit is how many bytes Pusher must take in an event: room for what is sent instead of a result, twice and
// encrypted.
const MinPayloadLimit = 2 << 10

// compressFrom is the size in bytes from which it is worth it.
const compressFrom = 2 << 10

// renderer makes of outcomes what clients read. It changes nothing, and may be used concurrently.
type renderer struct {
	limit      int // bytes of data that Pusher takes in an event
	policy     Oversize
	resultPath string
}

// rendering is an outcome in the form of one variant.
type rendering struct {
	packets []packet
	end     string // why the subscription ends with it; empty if it goes on
	failure string // what went wrong
	size    int    // of a result that Pusher would not take; 0 of one that it does
}

// render returns what to send to a subscription for an outcome: the result in the form that its client reads. If the
// subscription ends, the end comes in packets of its own, because not every client takes both from one. What is the
// same for many is made once.
func (f *renderer) render(o *outcome, sub *subscription, protocol Protocol) rendering {
	v := variant{protocol, sub.compress, encrypted(sub.channel)}
	made, ok := o.variants[v]
	if !ok {
		channel := ""
		if protocol == ProtocolLighthouseEcho { // its packets name the channel
			channel = sub.channel
		}
		made = f.encode(o, v, channel)
		if o.variants == nil {
			o.variants = make(map[variant]rendering)
		}
		if channel == "" {
			o.variants[v] = made
		}
	}
	if made.size > 0 { // what stands for the result names the channel
		f.replace(&made, o, v, sub.channel)
	}
	return made
}

func (f *renderer) encode(o *outcome, v variant, channel string) rendering {
	r := rendering{end: o.end, failure: o.failure}
	if o.result != nil {
		r.packets = f.envelopes(o.result, v, channel)
		r.size = f.oversize(r.packets, v.encrypted)
	}
	if r.size > 0 {
		r.packets = nil
		r.failure = fmt.Sprintf("event %d: the result has %d bytes, Pusher takes %d: %s",
			o.at, r.size, f.limit, f.policy)
		if f.policy == OversizeTerminate {
			r.end = reasonTooLarge
		}
		return r
	}
	if r.end != "" {
		r.packets = append(r.packets, endPackets[v.protocol]...)
	}
	return r
}

// oversize is the size of the first packet that Pusher would not take, and 0 if it takes them all.
func (f *renderer) oversize(packets []packet, encrypted bool) int {
	for _, p := range packets {
		if size := pusherapi.WireSize(len(p.data), encrypted); size > f.limit {
			return size
		}
	}
	return 0
}

// envelopes wraps a result for each client that may listen.
func (f *renderer) envelopes(result []byte, v variant, channel string) []packet {
	text := string(result)
	lighthouse := `{"more":true,"result":` + text
	switch v.protocol {
	case ProtocolGraphqlRuby:
		return []packet{{eventUpdate, forRuby(text, v.compress)}}
	case ProtocolLighthouse:
		return []packet{{eventLighthouse, lighthouse + "}"}}
	case ProtocolLighthouseGuessed: // thekonz's link reads data
		both := lighthouse + `,"data":` + text + "}"
		if pusherapi.WireSize(len(both), v.encrypted) > f.limit {
			return []packet{{eventLighthouse, lighthouse + "}"}}
		}
		return []packet{{eventLighthouse, both}}
	case ProtocolLighthouseEcho:
		return []packet{{eventLighthouse, lighthouse + `,"data":` + text + `,"channel":"` + channel + `"}`}}
	case ProtocolBoth, ProtocolUnset:
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

// endPackets are the end, for each client that may listen. They are shared, and must not be changed.
var endPackets = map[Protocol][]packet{
	ProtocolBoth:              {{eventUpdate, endAlone}, {eventLighthouse, endAlone}},
	ProtocolGraphqlRuby:       {{eventUpdate, endAlone}},
	ProtocolLighthouse:        {{eventLighthouse, endAlone}},
	ProtocolLighthouseGuessed: {{eventLighthouse, endWithData}},
	ProtocolLighthouseEcho:    {{eventLighthouse, endWithData}},
}

const (
	endAlone = `{"more":false}`
	// endWithData is for thekonz's link, which reads nothing but data: without it that link fails in an exception, and
	// with an error its application learns of the end.
	endWithData = `{"more":false,"data":{"data":null,"errors":[` +
		`{"message":"this subscription has ended","extensions":{"code":"` + CodeEnded + `"}}]}}`
)

// compressed is what the decompress option of graphql-ruby-client undoes: gzip in standard base64.
func compressed(result string) string {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = writer.Write([]byte(result)) // into memory
	_ = writer.Close()
	return base64.StdEncoding.EncodeToString(packed.Bytes())
}

// replace puts what is sent instead of a result that Pusher would not take into r, for the subscription of one channel.
func (f *renderer) replace(r *rendering, o *outcome, v variant, channel string) {
	r.packets = nil
	fetch := f.resultPath + "?" + url.Values{"channel": {channel}, "seq": {strconv.FormatInt(int64(o.at), 10)}}.Encode()
	instead, err := encodeResult(o.at, o.when, nil, gqlerror.List{{
		Message: fmt.Sprintf("the result has %d bytes, more than the %d that can be sent: read it from %s, or select less",
			r.size, f.limit, fetch),
		Extensions: map[string]any{
			"code": CodeTooLarge, "limit": f.limit, "size": r.size, "seq": o.at, "fetch": fetch,
		},
	}})
	if err != nil { // cannot be: numbers and strings
		r.failure = err.Error()
		return
	}
	switch f.policy {
	case OversizeFetch:
		r.packets = stubs(fmt.Sprintf(`{"more":true,"fetch":{"url":%q,"seq":%d,"size":%d}`, fetch, o.at, r.size), instead, v)
	case OversizeError, OversizeTerminate:
		v.compress = false
		r.packets = f.envelopes(instead, v, channel)
	case OversizeDrop:
	}
	if r.end != "" {
		r.packets = append(r.packets, endPackets[v.protocol]...)
	}
}

// stubs name where a result can be read, for each client that may listen. Clients that read data get the error there.
func stubs(stub string, instead []byte, v variant) (packets []packet) {
	for _, end := range endPackets[v.protocol] {
		text := stub
		if end.data == endWithData {
			text += `,"data":` + string(instead)
		}
		packets = append(packets, packet{end.name, text + "}"})
	}
	return packets
}
