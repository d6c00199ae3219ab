package bridge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	strictjson "github.com/go-json-experiment/json"

	"lorebridge/pusherapi"
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

// lighthouseAuth is where Lighthouse's clients ask. All others ask at /pusher/auth.
const lighthouseAuth = "/graphql/subscriptions/auth"

// Owner reports whether a channel is one of the application's own and the viewer's, such as a person's private channel.
// Only names that a subscription cannot have are asked for. An error is not shown to clients, unless it is Unavailable.
type Owner func(ctx context.Context, v Viewer, channel string) (bool, error)

// AuthorizeHandler returns the route that pusher-js calls with socket_id and channel_name, as a form or as JSON, each
// time it joins a private channel: POST /pusher/auth, and for Lighthouse's clients POST /graphql/subscriptions/auth.
// It grants the channel of a subscription to its subscriber, and after its end also to the subscriber of a session that
// has ended. All other channels are granted as owner says; nil grants none.
func (b *Bridge) AuthorizeHandler(owner Owner) http.Handler {
	if owner == nil {
		owner = func(context.Context, Viewer, string) (bool, error) { return false, nil }
	}
	return authorizer{b.replies, b.admission, b.deps.Pusher, b.deps.Sockets, owner}
}

// authorizer grants channels.
type authorizer struct {
	replies
	*admission
	pusher  *pusherapi.Client
	sockets Sockets // nil where Pusher is another
	owner   Owner
}

func (a authorizer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		a.reject(w, rejection{http.StatusMethodNotAllowed, "use POST"})
		return
	}
	answer, rejected := a.authorize(w, r)
	if rejected != nil {
		a.reject(w, *rejected)
		return
	}
	a.answer(w, http.StatusOK, answer)
}

func (a authorizer) authorize(w http.ResponseWriter, r *http.Request) ([]byte, *rejection) {
	socketID, channel, rejected := readAuthRequest(w, r)
	if rejected != nil {
		return nil, rejected
	}
	channel = strings.TrimPrefix(channel, presencePrefix)
	viewer, err := a.identity.Viewer(r.Context())
	if err != nil {
		former, _ := a.identity.Former(r.Context())
		return a.authorizeEnd(w, r, socketID, channel, former, err)
	}
	switch granted, err := a.grants(r.Context(), channel, viewer); {
	case err != nil:
		return nil, a.rejectionOf(w, r, err)
	case !granted:
		return nil, &rejection{
			http.StatusForbidden,
			"this channel is not yours: read again which one is, and a subscription's answer names its own",
		}
	}
	if rejected := a.claim(r, socketID, viewer); rejected != nil {
		return nil, rejected
	}
	if viewer.Session != "" {
		// Asked after the socket was tagged: a sign-out at this moment either closes it or is seen here.
		held, err := a.identity.Holding(r.Context(), []string{viewer.Session})
		if err != nil {
			return nil, a.rejectionOf(w, r, err)
		}
		if _, holds := held[viewer.Session]; !holds {
			return a.authorizeEnd(w, r, socketID, channel, viewer, errSessionEnded)
		}
	}
	if isSubscriptionChannel(channel) {
		if err := a.Authorize(r.Context(), channel, viewer, protocolAt(r)); err != nil {
			return nil, a.rejectionOf(w, r, err)
		}
	}
	return a.sign(w, r, socketID, channel)
}

// authorizeEnd grants the channel of an ended subscription to former, whose session has ended, if that is whose it
// was: all that arrives there is the end. All other requests are rejected with reason.
func (a authorizer) authorizeEnd(
	w http.ResponseWriter, r *http.Request, socketID, channel string, former Viewer, reason error,
) ([]byte, *rejection) {
	if former.anonymous() || !isSubscriptionChannel(channel) {
		return nil, a.rejectionOf(w, r, reason)
	}
	switch err := a.Part(r.Context(), channel, former, protocolAt(r)); {
	case errors.Is(err, ErrForbidden):
		return nil, a.rejectionOf(w, r, reason)
	case err != nil:
		return nil, a.rejectionOf(w, r, err)
	}
	return a.sign(w, r, socketID, channel)
}

// protocolAt is the protocol that the path of a request suggests.
func protocolAt(r *http.Request) Protocol {
	if r.URL.Path == lighthouseAuth {
		return ProtocolLighthouseGuessed
	}
	return ProtocolGraphqlRuby
}

// sign is what lets a socket join a channel.
func (a authorizer) sign(w http.ResponseWriter, r *http.Request, socketID, channel string) ([]byte, *rejection) {
	answer, err := a.pusher.Authorize(socketID, channel)
	if err != nil {
		return nil, a.rejectionOf(w, r, err)
	}
	return answer, nil
}

// The tags of sockets of the embedded server.
const (
	sessionTagPrefix = "session-"
	ownerTagPrefix   = "user-"
)

func sessionTag(session string) string { return sessionTagPrefix + session }

// claim notes that a socket of the embedded server is the viewer's, and is closed when the viewer's session ends. A
// socket may be of several sessions, because a client gets a new token while it is connected, but of one person
// alone. An anonymous viewer claims none.
func (a authorizer) claim(r *http.Request, socketID string, viewer Viewer) *rejection {
	if a.sockets == nil || viewer.anonymous() {
		return nil
	}
	owner := ownerTagPrefix + viewer.User
	tag := owner
	if viewer.Session != "" {
		tag = sessionTag(viewer.Session)
	}
	switch holder := a.sockets.Tag(socketID, owner, tag); holder {
	case owner:
		return nil
	case "":
		return &rejection{http.StatusForbidden, "there is no such socket: connect anew"}
	default:
		a.log.WarnContext(r.Context(), "a socket was asked for that another person has joined with", slog.String("socket", socketID),
			slog.String("by", owner), slog.String("of", holder))
		return &rejection{http.StatusForbidden, "another person has joined with this socket: connect anew"}
	}
}

// presencePrefix is what Lighthouse's Echo clients put before the name that they were given.
const presencePrefix = "presence-"

// grants reports whether a channel is the viewer's. Only the name that is sent to is granted: nothing would arrive on
// one from before a setting changed.
func (a authorizer) grants(ctx context.Context, channel string, viewer Viewer) (bool, error) {
	if !isSubscriptionChannel(channel) {
		return a.owner(ctx, viewer, channel)
	}
	return a.owns(ctx, channel, viewer.User)
}

// errSessionEnded is for a viewer whose session ended during the request.
var errSessionEnded = errors.New("your session has ended: sign in again")

// readAuthRequest reads and validates socket_id and channel_name.
func readAuthRequest(w http.ResponseWriter, r *http.Request) (socketID, channel string, _ *rejection) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAuthBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return "", "", &rejection{http.StatusRequestEntityTooLarge, "the body is over " + strconv.Itoa(maxAuthBody) + " bytes"}
	case err != nil:
		return "", "", &rejection{http.StatusBadRequest, "the body could not be read"}
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	switch mediaType {
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil || len(form["socket_id"]) > 1 || len(form["channel_name"]) > 1 {
			return "", "", &rejection{http.StatusBadRequest, "the body is not a form with each name once"}
		}
		socketID, channel = form.Get("socket_id"), form.Get("channel_name")
	case "application/json":
		var request map[string]any
		if err := strictjson.Unmarshal(body, &request); err != nil || request == nil {
			return "", "", &rejection{http.StatusBadRequest, "the body is not a JSON object with each name once: " +
				`send JSON such as {"socket_id":"1.2","channel_name":"private-user-1"}`}
		}
		socketID, _ = request["socket_id"].(string) // what is none is rejected below
		channel, _ = request["channel_name"].(string)
	default:
		return "", "", &rejection{http.StatusUnsupportedMediaType, "send " + contentTypes}
	}
	switch {
	case len(socketID) > maxSocketID || !socketIDs.MatchString(socketID):
		return "", "", &rejection{http.StatusForbidden, "socket_id must be two numbers with a dot between, as Pusher gave it"}
	case len(channel) > maxChannel || !channelNames.MatchString(channel):
		return "", "", &rejection{http.StatusForbidden, "channel_name must be 1 to 164 of the characters a-z A-Z 0-9 _ - = @ , . ;"}
	}
	return socketID, channel, nil
}
