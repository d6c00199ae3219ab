package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"lorebridge/auth"
	"lorebridge/ent/subscriber"
	"lorebridge/rule"
)

const (
	maxAuthBody  = 4 << 10 // bytes
	maxSocketID  = 64      // bytes; Pusher's have two numbers of up to 20 digits
	maxChannel   = 164     // bytes, Pusher's documented limit
	contentTypes = "application/x-www-form-urlencoded or application/json"
)

var (
	// socketIDs must have this form, or a caller could have arbitrary strings signed.
	socketIDs    = regexp.MustCompile(`^\d+\.\d+$`)
	channelNames = regexp.MustCompile(`^[-a-zA-Z0-9_=@,.;]+$`)
)

// refusal is an answer in JSON that says why a request is refused.
type refusal struct {
	status int
	reason string
}

// lighthouseAuth is where Lighthouse's clients ask. All others ask at /pusher/auth.
const lighthouseAuth = "/graphql/subscriptions/auth"

// ServeHTTP is POST /pusher/auth and POST /graphql/subscriptions/auth, which pusher-js calls with socket_id and
// channel_name, as a form or as JSON, each time it joins a private channel. It grants a person's channel to that
// person alone, and the channel of a subscription to its subscriber; once it has ended, also to whoever was that in a
// session that has ended.
func (b *Bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		b.refuse(w, refusal{http.StatusMethodNotAllowed, "use POST"})
		return
	}
	answer, refused := b.authorize(w, r)
	if refused != nil {
		b.refuse(w, *refused)
		return
	}
	b.write(w, http.StatusOK, answer)
}

func (b *Bridge) authorize(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	socketID, channel, refused := readAuthRequest(w, r)
	if refused != nil {
		return nil, refused
	}
	channel = strings.TrimPrefix(channel, presencePrefix)
	viewer, err := auth.FromContext(r.Context())
	if err != nil {
		former, _ := auth.EndedFrom(r.Context())
		return b.authorizeEnd(w, r, socketID, channel, former, err)
	}
	switch granted, err := b.grants(r.Context(), channel, viewer.UserID); {
	case err != nil:
		return nil, b.refusalOf(w, r, err)
	case !granted:
		return nil, &refusal{http.StatusForbidden, "this channel is not yours: realtime { channel } names the one that is, and a subscription's answer its own"}
	}
	if refused := b.claim(r, socketID, viewer); refused != nil {
		return nil, refused
	}
	// Asked after the socket was tagged: a sign-out at this moment either closes it or is seen here.
	holds, err := b.sessions.Holds(r.Context(), viewer)
	switch {
	case err != nil:
		return nil, b.refusalOf(w, r, err)
	case !holds:
		return b.authorizeEnd(w, r, socketID, channel, viewer, auth.ErrUnauthenticated)
	}
	if b.isSubscriptionChannel(channel) {
		if err := b.subscriptions.Authorize(r.Context(), channel, viewer, protocolAt(r)); err != nil {
			return nil, b.refusalOf(w, r, err)
		}
	}
	return b.sign(w, r, socketID, channel)
}

// authorizeEnd grants the channel of an ended subscription to former, whose session has ended, if that is whose it
// was: all that arrives there is the end. For anything else nobody is signed in, as reason says.
func (b *Bridge) authorizeEnd(
	w http.ResponseWriter, r *http.Request, socketID, channel string, former auth.Viewer, reason error,
) ([]byte, *refusal) {
	if former.UserID == 0 || b.subscriptions == nil || !b.isSubscriptionChannel(channel) {
		return nil, b.refusalOf(w, r, reason)
	}
	switch err := b.subscriptions.Part(r.Context(), channel, former, protocolAt(r)); {
	case errors.Is(err, rule.ErrForbidden):
		return nil, b.refusalOf(w, r, reason)
	case err != nil:
		return nil, b.refusalOf(w, r, err)
	}
	return b.sign(w, r, socketID, channel)
}

// protocolAt is what the path of a request says of its client.
func protocolAt(r *http.Request) subscriber.Protocol {
	if r.URL.Path == lighthouseAuth {
		return subscriber.ProtocolLighthouseGuessed
	}
	return subscriber.ProtocolGraphqlRuby
}

// sign is what lets a socket join a channel.
func (b *Bridge) sign(w http.ResponseWriter, r *http.Request, socketID, channel string) ([]byte, *refusal) {
	answer, err := b.pusher.Authorize(socketID, channel)
	if err != nil {
		return nil, b.refusalOf(w, r, err)
	}
	return answer, nil
}

// claim notes that a socket of the embedded server is the viewer's, and is closed when the viewer's session ends. A
// socket may be of several sessions, because a client gets a new token while it is connected, but of one person
// alone.
func (b *Bridge) claim(r *http.Request, socketID string, viewer auth.Viewer) *refusal {
	if b.sockets == nil {
		return nil
	}
	owner := ownerTag(viewer.UserID)
	switch holder := b.sockets.Tag(socketID, owner, sessionTag(viewer.SessionID)); holder {
	case owner:
		return nil
	case "":
		return &refusal{http.StatusForbidden, "there is no such socket: connect anew"}
	default:
		b.log.WarnContext(r.Context(), "a socket was asked for that another person has joined with", slog.String("socket", socketID),
			slog.String("by", owner), slog.String("of", holder))
		return &refusal{http.StatusForbidden, "another person has joined with this socket: connect anew"}
	}
}

// presencePrefix is what Lighthouse's Echo clients put before the name that they were given.
const presencePrefix = "presence-"

// grants says whose channel it is. Only the name that is sent to is granted: who asks for one from before a setting
// changed must read realtime again, because nothing would arrive there.
func (b *Bridge) grants(ctx context.Context, channel string, userID int) (bool, error) {
	if !b.isSubscriptionChannel(channel) {
		return channel == b.Channel(userID), nil
	}
	if b.subscriptions == nil {
		return false, nil
	}
	return b.subscriptions.owns(ctx, channel, userID)
}

func (b *Bridge) refusalOf(w http.ResponseWriter, r *http.Request, err error) *refusal {
	if cause := context.Cause(r.Context()); errors.Is(cause, auth.ErrSessionEnded) {
		err = cause // whatever went wrong on the way
	}
	var unavailable *rule.UnavailableError
	switch {
	case errors.As(err, &unavailable):
		b.log.WarnContext(r.Context(), "a request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
		w.Header().Set("Retry-After", strconv.Itoa(unavailable.Seconds()))
		return &refusal{http.StatusServiceUnavailable, unavailable.Message()}
	case errors.Is(err, auth.ErrUnauthenticated):
		return &refusal{http.StatusUnauthorized, err.Error()}
	case errors.Is(err, rule.ErrForbidden): // it ended at this moment
		return &refusal{http.StatusForbidden, "this subscription has ended"}
	}
	b.log.ErrorContext(r.Context(), "a request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	return &refusal{http.StatusInternalServerError, "internal error"}
}

// readAuthRequest reads and validates socket_id and channel_name.
func readAuthRequest(w http.ResponseWriter, r *http.Request) (socketID, channel string, _ *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAuthBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return "", "", &refusal{http.StatusRequestEntityTooLarge, "the body is over " + strconv.Itoa(maxAuthBody) + " bytes"}
	case err != nil:
		return "", "", &refusal{http.StatusBadRequest, "the body could not be read"}
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	switch mediaType {
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil || len(form["socket_id"]) > 1 || len(form["channel_name"]) > 1 {
			return "", "", &refusal{http.StatusBadRequest, "the body is not a form with each name once"}
		}
		socketID, channel = form.Get("socket_id"), form.Get("channel_name")
	case "application/json":
		request, err := rule.Object("body", body)
		if err != nil {
			return "", "", &refusal{http.StatusBadRequest, err.Error() + `; send JSON such as {"socket_id":"1.2","channel_name":"private-user-1"}`}
		}
		socketID, _ = request["socket_id"].(string) // what is none is refused below
		channel, _ = request["channel_name"].(string)
	default:
		return "", "", &refusal{http.StatusUnsupportedMediaType, "send " + contentTypes}
	}
	switch {
	case len(socketID) > maxSocketID || !socketIDs.MatchString(socketID):
		return "", "", &refusal{http.StatusForbidden, "socket_id must be two numbers with a dot between, as Pusher gave it"}
	case len(channel) > maxChannel || !channelNames.MatchString(channel):
		return "", "", &refusal{http.StatusForbidden, "channel_name must be 1 to 164 of the characters a-z A-Z 0-9 _ - = @ , . ;"}
	}
	return socketID, channel, nil
}

func (b *Bridge) refuse(w http.ResponseWriter, r refusal) {
	answer, err := json.Marshal(map[string]string{"error": r.reason})
	if err != nil {
		answer = []byte(`{}`) // cannot be: a map of strings
	}
	b.write(w, r.status, answer)
}

func (b *Bridge) write(w http.ResponseWriter, status int, answer []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := w.Write(answer); err != nil { //nolint:gosec // JSON, and not to be sniffed
		b.log.Debug("the client is gone before its answer", slog.Any("error", err))
	}
}
