package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/session"
)

// SessionLifetime is how long a session lasts, used or not.
const SessionLifetime = 30 * 24 * time.Hour

// errEnded is told apart from nobody signed in, so that a client knows to sign in again.
const errEnded = unauthenticated("this session has expired or been signed out, or never was: sign in again")

// Session is what its holder gets when one begins.
type Session struct {
	User      *ent.User
	Token     string
	ExpiresAt time.Time
}

// begin writes a new session of user in the transaction of tx.
func (a *Accounts) begin(ctx context.Context, tx *ent.Client, user *ent.User) (Session, error) {
	s := Session{User: user, Token: newToken(), ExpiresAt: time.Now().UTC().Add(SessionLifetime).Truncate(time.Millisecond)}
	if err := tx.Session.Create().
		SetUserID(user.ID).SetTokenHash(hashToken(s.Token)).SetExpiresAt(s.ExpiresAt).
		Exec(AsSystem(ctx)); err != nil {
		return Session{}, fmt.Errorf("begin a session: %w", err)
	}
	return s, nil
}

// ViewerOf returns whose session the token is, or an error that wraps ErrUnauthenticated where no session holds.
func (a *Accounts) ViewerOf(ctx context.Context, token string) (Viewer, error) {
	if len(token) != tokenLength {
		return Viewer{}, errEnded
	}
	s, err := a.client.Session.Query().
		Where(session.TokenHash(hashToken(token)), session.ExpiresAtGT(time.Now().UTC())).
		Only(AsSystem(ctx))
	switch {
	case ent.IsNotFound(err):
		return Viewer{}, errEnded
	case err != nil:
		return Viewer{}, fmt.Errorf("read a session: %w", err)
	}
	return Viewer{UserID: s.UserID, SessionID: s.ID, ExpiresAt: s.ExpiresAt}, nil
}

// Holds says whether the viewer's session still holds: neither ended nor expired since the request began.
func (a *Accounts) Holds(ctx context.Context, v Viewer) (bool, error) {
	holds, err := a.client.Session.Query().
		Where(session.ID(v.SessionID), session.ExpiresAtGT(time.Now().UTC())).
		Exist(AsSystem(ctx))
	if err != nil {
		return false, fmt.Errorf("read a session: %w", err)
	}
	return holds, nil
}

// SignOut ends the viewer's session in the transaction of tx.
func (a *Accounts) SignOut(ctx context.Context, tx *ent.Client, v Viewer) error {
	_, err := tx.Session.Delete().Where(session.ID(v.SessionID)).Exec(ctx)
	return err
}

// RemoveExpired deletes the sessions that have ended by themselves.
func (a *Accounts) RemoveExpired(ctx context.Context) error {
	_, err := a.client.Session.Delete().Where(session.ExpiresAtLTE(time.Now().UTC())).Exec(AsSystem(ctx))
	return err
}

// tokenLength is that of 32 bytes in unpadded base64.
const tokenLength = 43

func newToken() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails, by its contract
	return base64.RawURLEncoding.EncodeToString(secret[:])
}

func hashToken(token string) []byte {
	hash := sha256.Sum256([]byte(token))
	return hash[:]
}
