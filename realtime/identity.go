package realtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/ent"
	"lorebridge/ent/session"
)

// Identity implements bridge.Identity over our accounts. Every viewer is signed in. It may be used concurrently.
type Identity struct{ client *ent.Client }

// NewIdentity returns an identity over the sessions in the client's database.
func NewIdentity(client *ent.Client) Identity { return Identity{client} }

var _ bridge.Identity = Identity{}

// Viewer implements bridge.Identity.
func (Identity) Viewer(ctx context.Context) (bridge.Viewer, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return bridge.Viewer{}, err
	}
	return toBridge(viewer), nil
}

// Former implements bridge.Identity.
func (Identity) Former(ctx context.Context) (bridge.Viewer, bool) {
	viewer, ok := auth.EndedFrom(ctx)
	return toBridge(viewer), ok
}

// With implements bridge.Identity. The zero viewer is signed in as user 0, who does not exist and so owns nothing.
func (Identity) With(ctx context.Context, v bridge.Viewer) context.Context {
	return auth.NewContext(ctx, auth.Viewer{UserID: number(v.User), SessionID: number(v.Session), ExpiresAt: v.ExpiresAt})
}

// sessionsAtOnce is how many sessions one statement reads.
const sessionsAtOnce = 500

// Holding implements bridge.Identity.
func (i Identity) Holding(ctx context.Context, sessions []string) (map[string]time.Time, error) {
	held := make(map[string]time.Time)
	for chunk := range slices.Chunk(sessions, sessionsAtOnce) {
		ids := make([]int, len(chunk))
		for i, text := range chunk {
			ids[i] = number(text)
		}
		rows, err := i.client.Session.Query().Where(session.IDIn(ids...), auth.Holding()).
			Select(session.FieldID, session.FieldExpiresAt).All(auth.AsSystem(ctx))
		if err != nil {
			return nil, fmt.Errorf("read sessions: %w", err)
		}
		for _, row := range rows {
			held[strconv.Itoa(row.ID)] = row.ExpiresAt
		}
	}
	return held, nil
}

// Unauthenticated implements bridge.Identity.
func (Identity) Unauthenticated(err error) bool {
	return errors.Is(err, auth.ErrUnauthenticated) || errors.Is(err, auth.ErrSessionEnded)
}

func toBridge(v auth.Viewer) bridge.Viewer {
	if v.UserID == 0 {
		return bridge.Viewer{}
	}
	return bridge.Viewer{User: strconv.Itoa(v.UserID), Session: strconv.Itoa(v.SessionID), ExpiresAt: v.ExpiresAt}
}

// number returns the id in a text that this package wrote. It returns 0, which no row has, if there is none.
func number(text string) int {
	id, _ := strconv.Atoi(text)
	return id
}

var _ auth.Listener = Sessions{}

// Sessions closes the sockets and subscriptions of a session that has ended. It may be used concurrently.
type Sessions struct{ bridge *bridge.Bridge }

// NewSessions returns an auth.Listener for the sockets and subscriptions of b.
func NewSessions(b *bridge.Bridge) Sessions { return Sessions{b} }

// OpenSessions implements auth.Listener.
func (s Sessions) OpenSessions() []int {
	var ids []int
	for _, text := range s.bridge.OpenSessions() {
		ids = append(ids, number(text))
	}
	return ids
}

// EndSession implements auth.Listener. It returns within a second.
func (s Sessions) EndSession(id int, reason auth.EndReason) {
	s.bridge.EndSession(context.Background(), strconv.Itoa(id), string(reason))
}
