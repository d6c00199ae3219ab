package pusherapi

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// RefusedError is the result of an event that Pusher will never accept, because of its content.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "refused for good: " + e.Reason }

// Fault is the kind of reason why a call of Pusher's HTTP API fails. Each has a name and a hint on what to do, which
// are part of the text of each CallError.
type Fault int

// The faults. Fault.OursToRepair holds for those of the credentials and of the app.
const (
	FaultNone      Fault = iota
	FaultNetwork         // there was no complete answer
	FaultForeign         // the answer is not Pusher's, or its meaning is not known
	FaultBusy            // Pusher, or a proxy before it, is overloaded or down
	FaultQuota           // the account has used up its quota
	FaultClock           // the two clocks are too far apart
	FaultKey             // Pusher does not know the key
	FaultSignature       // the secret is wrong
	FaultApp             // there is no such app, or it is disabled
	FaultCluster         // the app lives in another cluster
	FaultNoBatch         // the server has no batch_events
)

// faults are the texts for each Fault: its name, and a hint on what to do, for Names.fill.
var faults = map[Fault]struct{ name, hint string }{
	FaultNetwork: {"pusher cannot be reached", "check {Host} or {Cluster}, and the network between"},
	FaultForeign: {
		"what answers is not pusher",
		"check {Host}, {TLS} and {AppID}, and the proxies and firewalls between",
	},
	FaultBusy:      {"pusher is overloaded or down", "it is tried again by itself"},
	FaultQuota:     {"the quota at pusher is used up", "wait for the next period, or change the plan of the account"},
	FaultClock:     {"the clock differs from pusher's", "set the clock of this server, with NTP"},
	FaultKey:       {"pusher does not know the key", "check {Key}, and {Cluster} or {Host}"},
	FaultSignature: {"pusher refuses the signature", "check {Secret}: it must belong to {Key}"},
	FaultApp:       {"pusher does not serve the app", "check {AppID}, and that the app is enabled"},
	FaultCluster:   {"pusher has the app in another cluster", "check {Cluster}"},
	FaultNoBatch:   {"pusher has no batch_events", "events are sent one by one"},
}

// OursToRepair reports whether the fault lasts until somebody changes our configuration, or the app at Pusher.
func (f Fault) OursToRepair() bool {
	return f == FaultKey || f == FaultSignature || f == FaultApp || f == FaultCluster
}

// CallError is why a call failed. It never means that an event is lost: the event can be sent again. Its text holds no
// secret and no signature.
type CallError struct {
	Fault     Fault
	Status    int    // of HTTP; 0 if there was no answer
	MediaType string // of the answer; empty if it names none
	Words     string // the beginning of the answer
	Detail    string // such as the target of a redirect; may be empty
	Err       error  // of the network; nil if there was a complete answer

	wait  time.Duration
	names Names
}

// Error returns the fault, the answer, and a hint on what to do, which names settings as Config.Names does.
func (e *CallError) Error() string {
	fault := faults[e.Fault]
	return fault.name + e.evidence() + ": " + e.names.fill(fault.hint)
}

// evidence returns in brackets what is known of the answer.
func (e *CallError) evidence() string {
	var known []string
	if e.Status != 0 {
		answer := fmt.Sprintf("HTTP %d", e.Status)
		if e.MediaType != "" {
			answer += " " + e.MediaType
		}
		if e.Words != "" {
			answer += fmt.Sprintf(" %q", e.Words)
		}
		known = append(known, answer)
	}
	if e.Detail != "" {
		known = append(known, e.Detail)
	}
	if e.Err != nil {
		known = append(known, e.Err.Error())
	}
	if len(known) == 0 {
		return ""
	}
	return " (" + strings.Join(known, "; ") + ")"
}

// ErrUnauthorized is wrapped by a CallError if somebody must repair the configuration, or the account at Pusher.
var ErrUnauthorized = errors.New("pusher refuses our credentials")

// LogLevel returns the level for a log: an error if Fault.OursToRepair holds, and else a warning.
func (e *CallError) LogLevel() slog.Level {
	if e.Fault.OursToRepair() {
		return slog.LevelError
	}
	return slog.LevelWarn
}

// Unwrap returns the error of the network, and ErrUnauthorized if Fault.OursToRepair holds.
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

// RetryAfter returns how long the answer asks to wait before the next call: at most a minute, and zero if it does not.
func (e *CallError) RetryAfter() time.Duration { return e.wait }
