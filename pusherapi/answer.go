package pusherapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxRetryAfter bounds how long an answer can make us wait.
	maxRetryAfter = time.Minute
	// maxSkew is the largest difference between the two clocks that Pusher accepts.
	maxSkew = 10 * time.Minute
	// maxRead is how many bytes of an answer's text are searched.
	maxRead = 4 << 10
	// maxWords is how many bytes of an answer's text an error keeps.
	maxWords = 200
)

// reply is an answer of Pusher's HTTP API, as it arrived.
type reply struct {
	endpoint string // below the path of the app: events, batch_events, channels, or channels/ and a name
	status   int
	header   http.Header
	body     []byte
	err      error // of the network: the body may be incomplete
	at       time.Time
	names    Names // of the client that called
}

// answer is the object in a 2xx of Pusher. The endpoint determines which fields are set.
type answer struct {
	OK       *bool           `json:"ok"` // from soketi and others, instead of an empty object
	Channels json.RawMessage `json:"channels"`
	Batch    json.RawMessage `json:"batch"`
	Occupied *bool           `json:"occupied"`
	Error    any             `json:"error"`
	Code     int             `json:"code"`
}

// judge returns what a reply means, for every endpoint. The error is nil only if Pusher itself gives this reply there
// when it accepts the call. It is a *RefusedError only if Pusher itself rejects this event because of its content. Any
// other error is a *CallError: the call may be repeated.
func (r *reply) judge() (answer, error) {
	if r.err != nil {
		return answer{}, r.failure(FaultNetwork)
	}
	status := r.status
	if status >= 200 && status < 300 {
		a, ok := r.parse()
		if ok && a.Error == nil {
			return a, nil
		}
		// Some compatible servers answer 200 to every call, and put the real status into the object.
		if a.Error == nil || a.Code < 400 || a.Code > 599 {
			return answer{}, r.failure(FaultForeign)
		}
		status = a.Code
	}
	words, inJSON := r.words()
	fault := r.fault(status, words)
	if fault == FaultForeign && !r.has("text/html") && rejectsEvent(status, words, inJSON) {
		return answer{}, &RefusedError{Reason: fmt.Sprintf("HTTP %d: %s", status, quote(words))}
	}
	e := r.failure(fault)
	e.Status = status
	return answer{}, e
}

// parse reads an object of the endpoint's shape. It reports false if the reply is anything else.
func (r *reply) parse() (a answer, ok bool) {
	publishes := !strings.HasPrefix(r.endpoint, "channels")
	switch {
	case !r.has("", "application/json", "text/json", "text/plain"):
		return a, false
	case publishes && string(bytes.TrimSpace(r.body)) == "{}":
		return a, true
	}
	if !bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("{")) || json.Unmarshal(r.body, &a) != nil {
		return answer{}, false
	}
	switch {
	case a.Error != nil:
		return a, true
	case r.endpoint == "channels":
		return a, isCollection(a.Channels)
	case !publishes:
		return a, a.Occupied != nil
	case a.OK != nil:
		return a, *a.OK
	}
	return a, isCollection(a.Channels) || len(a.Batch) > 0 && strings.ContainsAny(string(a.Batch[:1]), "{[")
}

// isCollection reports whether a value is an object, or an empty list: PHP writes an empty object as a list.
func isCollection(value json.RawMessage) bool {
	var list []json.RawMessage
	return bytes.HasPrefix(value, []byte("{")) || json.Unmarshal(value, &list) == nil && list != nil && len(list) == 0
}

// has reports whether the reply has one of these media types. A missing type is "". An unreadable type is never one
// of them.
func (r *reply) has(types ...string) bool { return slices.Contains(types, r.mediaType()) }

func (r *reply) mediaType() string {
	given := r.header.Get("Content-Type")
	if given == "" {
		return ""
	}
	mediaType, _, _ := mime.ParseMediaType(given) // an invalid parameter does not change the type
	return cmp.Or(mediaType, "unreadable media type")
}

// words returns the text of an error, and whether it comes from an object in JSON. The text is empty if the answer
// cannot be Pusher's. That is so if it is a page or another kind of document, or if every server sends this text.
func (r *reply) words() (text string, inJSON bool) {
	// Hosted Pusher has sent plain text with the type text/html.
	if !r.has("", "application/json", "text/json", "text/plain", "text/html") {
		return "", false
	}
	body := bytes.TrimSpace(r.body)
	if inJSON = bytes.HasPrefix(body, []byte("{")); inJSON {
		text = wordsOfObject(body)
	} else {
		text = string(body[:min(len(body), maxRead)])
	}
	text = strings.ToValidUTF8(text[:min(len(text), maxRead)], "")
	if markup.MatchString(text) {
		return "", false
	}
	// A server that quotes the address of our request does not describe an error with the words in it.
	text = address.ReplaceAllString(text, " ")
	phrase := strings.Trim(leadingStatus.ReplaceAllString(text, ""), " .!\r\n")
	if reasonPhrases[strings.ToLower(phrase)] && text != reverbTooLarge {
		return "", false
	}
	return text, inJSON
}

// wordsOfObject returns the text of an error in JSON. It reads {"error": …}, and Laravel's form: an object with a list
// of errors for each parameter.
func wordsOfObject(text []byte) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil {
		return ""
	}
	var words string
	if json.Unmarshal(object["error"], &words) == nil {
		return words
	}
	var all []string
	for name, value := range object {
		var list []string
		if json.Unmarshal(value, &list) != nil || len(list) == 0 {
			return ""
		}
		all = append(all, "parameter "+name+": "+strings.Join(list, " "))
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// reverbTooLarge is the text of Reverb's 413. Many proxies send the same text without the full stop.
const reverbTooLarge = "Payload too large."

var (
	markup        = regexp.MustCompile(`(?i)<\s*[/!?a-z]`)
	address       = regexp.MustCompile(`\S*(/apps/|[?&]auth_)\S*`)
	leadingStatus = regexp.MustCompile(`^(HTTP\S* )?[1-5]\d\d\b[ :-]*`)
	// reasonPhrases are the texts that servers of any kind send with a status.
	reasonPhrases = func() map[string]bool {
		phrases := map[string]bool{
			"": true, "payload too large": true, "content too large": true, "unprocessable content": true,
		}
		for status := 100; status < 600; status++ {
			phrases[strings.ToLower(http.StatusText(status))] = true
		}
		return phrases
	}()

	aboutSignature = regexp.MustCompile(`(?i)signature|\bsecret\b|auth_version|body_md5`)
	aboutClock     = regexp.MustCompile(`(?i)timestamp|\bserver time\b|\bclocks?\b`)
	aboutCluster   = regexp.MustCompile(`(?i)\bcluster\b`)
	aboutKey       = regexp.MustCompile(`(?i)auth_key|\bapp(lication)? key\b|\b(unknown|invalid|wrong) key\b`)
	aboutQuota     = regexp.MustCompile(`(?i)\bquota|\bover (its|the|your|our) .*limit` +
		`|\blimit (is |was |has been )?(reached|exceeded)|\bbilling\b|\bpayment\b`)
	aboutApp = regexp.MustCompile(`(?i)\b(no|unknown|that) (matching |such )?app(lication)?\b|\bapp_?id\b` +
		`|\bapp(lication)? .*\b(found|exists?|(de|in)?activated?|disabled|enabled|deleted|suspended)\b`)
	aboutSize  = regexp.MustCompile(`(?i)\btoo (large|big|long)\b|\bexceed|\bmaximum\b|\bsize\b`)
	aboutEvent = regexp.MustCompile(`(?i)\bchannels?\b|\bsocket_id\b|\bthis event\b` +
		`|\bevent('s)? (name|data|payload|size|is|must|has|exceeds)\b` +
		`|\b(data|name) (content|has|is|must|exceeds|of|should|cannot|too)\b|\bdata\b.*\b(bytes|KB|size|large)\b` +
		`|\bpayload\b.*\b(bytes|KB|size|exceed\w*|maximum)\b` +
		`|^Payload too large\.$|\bbatch\b.*\b(holds?|events|at most|than)\b|\bparameter:? (name|data|channels?|batch|info)\b`)
)

// fault returns the fault that the status and Pusher's text show, and FaultForeign if they show none.
func (r *reply) fault(status int, words string) Fault {
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout,
		status >= 500 && status != http.StatusNotImplemented:
		if aboutQuota.MatchString(words) {
			return FaultQuota
		}
		return FaultBusy
	case status < 400:
		return FaultForeign
	}
	for _, topic := range []struct {
		words *regexp.Regexp
		fault Fault
	}{ // in this order, because Pusher's text about a signature quotes everything that is signed
		{aboutSignature, FaultSignature},
		{aboutClock, FaultClock},
		{aboutCluster, FaultCluster},
		{aboutKey, FaultKey},
		{aboutQuota, FaultQuota},
		{aboutApp, FaultApp},
	} {
		if topic.words.MatchString(words) {
			return topic.fault
		}
	}
	switch {
	case status == http.StatusUnauthorized && r.skewed():
		return FaultClock
	case r.endpoint == "batch_events" && lacksEndpoint(status):
		return FaultNoBatch
	}
	return FaultForeign
}

// skewed reports whether the answer's Date differs so much from our clock that Pusher accepts no signature.
func (r *reply) skewed() bool {
	date, err := http.ParseTime(r.header.Get("Date"))
	return err == nil && r.at.Sub(date).Abs() > maxSkew
}

func lacksEndpoint(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented
}

// rejectsEvent reports whether the words are about an event that Pusher will never accept.
func rejectsEvent(status int, words string, inJSON bool) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return aboutEvent.MatchString(words)
	case http.StatusRequestEntityTooLarge:
		return aboutEvent.MatchString(words) || inJSON && aboutSize.MatchString(words)
	}
	return false
}

// failure returns the reply as an error.
func (r *reply) failure(f Fault) *CallError {
	e := &CallError{Fault: f, Status: r.status, Err: r.err, names: r.names}
	if r.status == 0 {
		return e
	}
	e.MediaType, e.wait = quote(r.mediaType()), r.retryAfter()
	e.Words = quote(string(r.body[:min(len(r.body), maxRead)]))
	redirects := r.status >= 300 && r.status < 400
	if target, err := url.Parse(r.header.Get("Location")); err == nil && redirects && target.Host != "" {
		e.Detail = quote("it redirects to " + target.Scheme + "://" + target.Host)
	}
	if f == FaultClock || r.skewed() {
		if date, err := http.ParseTime(r.header.Get("Date")); err == nil {
			e.Detail = fmt.Sprintf("its time is %s, ours %s",
				date.UTC().Format(time.RFC3339), r.at.UTC().Format(time.RFC3339))
		}
	}
	return e
}

// retryAfter returns how long the answer asks to wait, in seconds or until a date (RFC 9110, section 10.2.3), at most
// maxRetryAfter. A date is compared with the answer's own Date, because the clocks may differ.
func (r *reply) retryAfter() time.Duration {
	given := strings.TrimSpace(r.header.Get("Retry-After"))
	seconds, err := strconv.ParseUint(given, 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return maxRetryAfter
	case err == nil:
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	until, err := http.ParseTime(given)
	if err != nil {
		return 0
	}
	now := r.at
	if date, err := http.ParseTime(r.header.Get("Date")); err == nil {
		now = date
	}
	return max(0, min(until.Sub(now), maxRetryAfter))
}

// quote shortens words to maxWords bytes. It leaves out a text that may hold a signature.
func quote(words string) string {
	words = strings.ToValidUTF8(strings.TrimSpace(words), "")
	if lower := strings.ToLower(words); strings.Contains(lower, "auth_") || strings.Contains(lower, "signature") {
		return "(left out: it speaks of a signature)"
	}
	if len(words) > maxWords {
		words = strings.ToValidUTF8(words[:maxWords], "") + "…"
	}
	return words
}
