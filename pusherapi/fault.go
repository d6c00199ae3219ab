package pusherapi

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// RefusedError is the answer to an event that Pusher will never take, because of its content.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "refused for good: " + e.Reason }

// Fault is what keeps a call of Pusher's HTTP API from succeeding. Its name and its hint are the same in the log, in
// /readyz and in the rows of the database.
type Fault int

// The faults. Those of the credentials and of the app are ours to repair.
const (
	FaultNone      Fault = iota
	FaultNetwork         // there was no whole answer
	FaultForeign         // the answer is not Pusher's, or says nothing that is known
	FaultBusy            // Pusher, or what stands before it, is overloaded or down
	FaultQuota           // the account has used up what it pays for
	FaultClock           // the two clocks are too far apart
	FaultKey             // Pusher does not know the key
	FaultSignature       // the secret is wrong
	FaultApp             // there is no such app, or it is disabled
	FaultCluster         // the app lives in another cluster
	FaultNoBatch         // the server has no batch_events
)

// faults are the words for each Fault: what is wrong, and what to do.
var faults = map[Fault]struct{ name, hint string }{
	FaultNetwork: {"pusher cannot be reached", "check PUSHER_HOST or PUSHER_CLUSTER, and the network between"},
	FaultForeign: {
		"what answers is not pusher",
		"check PUSHER_HOST, PUSHER_SCHEME and PUSHER_APP_ID, and the proxies and firewalls between",
	},
	FaultBusy:      {"pusher is overloaded or down", "it is tried again by itself"},
	FaultQuota:     {"the quota at pusher is used up", "wait for the next period, or change the plan of the account"},
	FaultClock:     {"the clock differs from pusher's", "set the clock of this server, with NTP"},
	FaultKey:       {"pusher does not know the key", "check PUSHER_KEY, and PUSHER_CLUSTER or PUSHER_HOST"},
	FaultSignature: {"pusher refuses the signature", "check PUSHER_SECRET: it must belong to PUSHER_KEY"},
	FaultApp:       {"pusher does not serve the app", "check PUSHER_APP_ID, and that the app is enabled"},
	FaultCluster:   {"pusher has the app in another cluster", "check PUSHER_CLUSTER"},
	FaultNoBatch:   {"pusher has no batch_events", "events are sent one by one"},
}

// OursToRepair says that nothing is sent before somebody changes our configuration, or the app at Pusher.
func (f Fault) OursToRepair() bool {
	return f == FaultKey || f == FaultSignature || f == FaultApp || f == FaultCluster
}

// CallError is why a call did not succeed. It never means that an event is lost: it can be sent again. Its words hold
// no secrets.
type CallError struct {
	Fault     Fault
	Status    int    // of HTTP; 0 if there was no answer
	MediaType string // of the answer; empty if it names none
	Words     string // the first ones of the answer
	Detail    string // what else is known of it; empty for nothing
	Err       error  // of the network; nil if there was a whole answer

	wait time.Duration
}

// Error names the fault, what came, and what to do.
func (e *CallError) Error() string {
	words := faults[e.Fault]
	return words.name + e.evidence() + ": " + words.hint
}

// evidence is what came, in brackets.
func (e *CallError) evidence() string {
	var parts []string
	if e.Status != 0 {
		answer := fmt.Sprintf("HTTP %d", e.Status)
		if e.MediaType != "" {
			answer += " " + e.MediaType
		}
		if e.Words != "" {
			answer += fmt.Sprintf(" %q", e.Words)
		}
		parts = append(parts, answer)
	}
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// ErrUnauthorized is wrapped by a CallError when somebody must repair the configuration, or the account at Pusher.
// Events wait until then.
var ErrUnauthorized = errors.New("pusher refuses our credentials")

// LogLevel is how loud the error is to be logged: what is ours to repair is an error, all else a warning.
func (e *CallError) LogLevel() slog.Level {
	if e.Fault.OursToRepair() {
		return slog.LevelError
	}
	return slog.LevelWarn
}

// Unwrap returns the error of the network, and ErrUnauthorized for what is ours to repair.
func (e *CallError) Unwrap() []error {
	var causes []error
	if e.Fault.OursToRepair() {
		causes = append(causes, ErrUnauthorized)
	}
	if e.Err != nil {
		causes = append(causes, e.Err)
	}
	return causes
}

// RetryAfter is how long the answer asks to wait, at most maxRetryAfter; zero if it does not.
func (e *CallError) RetryAfter() time.Duration { return e.wait }
