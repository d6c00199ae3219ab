package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"entgo.io/ent/dialect/sql"

	"lorebridge/ent"
	"lorebridge/ent/predicate"
	"lorebridge/ent/session"
	"lorebridge/ent/user"
)

// SessionLifetime is the age at which a session expires, used or not.
const SessionLifetime = 30 * 24 * time.Hour

// KeepEnded is how long the row of an ended session is kept.
const KeepEnded = 24 * time.Hour

// endedError reports that a session was shown but does not hold. It differs from "nobody is signed in", so that a
// client knows to sign in again.
type endedError struct {
	// viewer held the session. It is the zero Viewer if the holder is not known any more.
	viewer Viewer
}

func (endedError) Error() string {
	return "this session has expired or been signed out, or never was: sign in again"
}

func (endedError) Is(target error) bool { return target == ErrUnauthenticated }

// Session is a new session, with the token that only its holder gets.
type Session struct {
	User      *ent.User
	Token     string
	ExpiresAt time.Time
}

// begin creates a session of an account in the transaction of tx.
func (a *Accounts) begin(ctx context.Context, tx *ent.Client, account *ent.User) (Session, error) {
	s := Session{User: account, Token: newToken(), ExpiresAt: time.Now().UTC().Add(SessionLifetime).Truncate(time.Millisecond)}
	hash := hashToken(s.Token)
	if err := tx.Session.Create().
		SetUserID(account.ID).SetTokenHash(hash[:]).SetExpiresAt(s.ExpiresAt).
		Exec(AsSystem(ctx)); err != nil {
		return Session{}, fmt.Errorf("begin a session: %w", err)
	}
	return s, nil
}

// ViewerOf returns the viewer of the session with this token. It returns an error that wraps ErrUnauthenticated if no
// session holds.
func (a *Accounts) ViewerOf(ctx context.Context, token string) (Viewer, error) {
	return a.viewerOf(ctx, token)
}

// viewerOf is ViewerOf, limited to the sessions that match among. Without such predicates a result is kept in memory
// for a moment.
func (a *Accounts) viewerOf(ctx context.Context, token string, among ...predicate.Session) (Viewer, error) {
	if len(token) != tokenLength {
		return Viewer{}, endedError{}
	}
	hash := hashToken(token)
	if len(among) > 0 {
		return a.readViewer(ctx, hash, among...)
	}
	return a.sessions.viewer(ctx, hash, func(ctx context.Context) (Viewer, error) { return a.readViewer(ctx, hash) })
}

// personsName is the column of the person's name in readViewer's join.
const personsName = "persons_name"

func (a *Accounts) readViewer(ctx context.Context, hash tokenHash, among ...predicate.Session) (Viewer, error) {
	found := a.client.Session.Query().Where(session.TokenHash(hash[:])).Where(among...)
	found.Modify(func(s *sql.Selector) { // an inner join: a session whose person was deleted is not found
		people := sql.Table(user.Table)
		s.Join(people).On(s.C(session.FieldUserID), people.C(user.FieldID)).AppendSelectAs(people.C(user.FieldName), personsName)
	})
	s, err := found.Only(AsSystem(ctx))
	switch {
	case ent.IsNotFound(err):
		return Viewer{}, endedError{}
	case err != nil:
		return Viewer{}, fmt.Errorf("read a session: %w", err)
	}
	name, err := s.Value(personsName)
	if err != nil {
		return Viewer{}, fmt.Errorf("read a session: %w", err)
	}
	viewer := Viewer{UserID: s.UserID, SessionID: s.ID, ExpiresAt: s.ExpiresAt}
	viewer.Name, _ = name.(string)
	now, end := time.Now().UTC(), endOf(s)
	switch {
	case end.After(now):
		return viewer, nil
	case end.After(now.Add(-KeepEnded)):
		return Viewer{}, endedError{viewer}
	default:
		return Viewer{}, endedError{}
	}
}

// endOf returns the time at which a session ended or will expire.
func endOf(s *ent.Session) time.Time {
	if s.EndedAt != nil && s.EndedAt.Before(s.ExpiresAt) {
		return *s.EndedAt
	}
	return s.ExpiresAt
}

// Holding selects the sessions that hold: neither ended nor expired, and with a person.
func Holding() predicate.Session {
	return session.And(session.EndedAtIsNil(), session.ExpiresAtGT(time.Now().UTC()), ofSomebody)
}

// ofSomebody selects the sessions whose person exists. A person can be deleted alone if foreign keys are off, as in
// SQLite's own shell. It uses IN and not EXISTS, because SQLite turns EXISTS into a join, and then the look-up of
// each request takes two to three times as long.
func ofSomebody(s *sql.Selector) {
	people := sql.Table(user.Table)
	s.Where(sql.In(s.C(session.FieldUserID), sql.Select(people.C(user.FieldID)).From(people)))
}

// Holds reports whether the viewer's session still holds: it has neither ended nor expired since the request began.
func (a *Accounts) Holds(ctx context.Context, v Viewer) (bool, error) {
	holds, err := a.client.Session.Query().Where(session.ID(v.SessionID), Holding()).Exist(AsSystem(ctx))
	if err != nil {
		return false, fmt.Errorf("read a session: %w", err)
	}
	return holds, nil
}

// SignOut ends the viewer's session and closes everything that is open for it, except the request of ctx. It returns
// when that is done.
func (a *Accounts) SignOut(ctx context.Context, withTx WithTx, v Viewer) error {
	Detach(ctx)
	if err := withTx(ctx, func(ctx context.Context, tx *ent.Client) error {
		return tx.Session.Update().Where(session.ID(v.SessionID), Holding()).
			SetEndedAt(time.Now().UTC().Truncate(time.Millisecond)).Exec(ctx)
	}); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	a.end(ctx, v.SessionID, SignedOut)
	return nil
}

// RemoveEnded deletes the sessions that ended more than KeepEnded ago, signed out or expired.
func (a *Accounts) RemoveEnded(ctx context.Context) error {
	before := time.Now().UTC().Add(-KeepEnded)
	_, err := a.client.Session.Delete().Where(session.Or(session.ExpiresAtLTE(before), session.EndedAtLTE(before))).Exec(AsSystem(ctx))
	return err
}

// tokenLength is the length of 32 bytes in unpadded base64.
const tokenLength = 43

func newToken() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails, by its contract
	return base64.RawURLEncoding.EncodeToString(secret[:])
}

func hashToken(token string) tokenHash { return sha256.Sum256([]byte(token)) }
