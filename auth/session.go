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

// SessionLifetime is how long a session lasts, used or not.
const SessionLifetime = 30 * 24 * time.Hour

// KeepEnded is how long the row of a session that has ended is kept.
const KeepEnded = 24 * time.Hour

// endedError says that a session does not hold, apart from nobody signed in, so that a client knows to sign in again.
type endedError struct {
	// viewer is who held the session; the zero Viewer where that is not known, or no more.
	viewer Viewer
}

func (endedError) Error() string {
	return "this session has expired or been signed out, or never was: sign in again"
}

func (endedError) Is(target error) bool { return target == ErrUnauthenticated }

// Session is what its holder gets when one begins.
type Session struct {
	User      *ent.User
	Token     string
	ExpiresAt time.Time
}

// begin writes a new session of an account in the transaction of tx.
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

// ViewerOf returns whose session the token is, or an error that wraps ErrUnauthenticated where no session holds.
func (a *Accounts) ViewerOf(ctx context.Context, token string) (Viewer, error) {
	return a.viewerOf(ctx, token)
}

// viewerOf is ViewerOf among certain sessions. What it finds is kept in memory for a moment, unless it is among
// certain ones.
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

// personsName is the column of the name that readViewer reads with a session.
const personsName = "persons_name"

func (a *Accounts) readViewer(ctx context.Context, hash tokenHash, among ...predicate.Session) (Viewer, error) {
	found := a.client.Session.Query().Where(session.TokenHash(hash[:])).Where(among...)
	found.Modify(func(s *sql.Selector) { // one whose person is gone is not found
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

// endOf is when a session ended, or will.
func endOf(s *ent.Session) time.Time {
	if s.EndedAt != nil && s.EndedAt.Before(s.ExpiresAt) {
		return *s.EndedAt
	}
	return s.ExpiresAt
}

// Holding selects the sessions that hold.
func Holding() predicate.Session {
	return session.And(session.EndedAtIsNil(), session.ExpiresAtGT(time.Now().UTC()), ofSomebody)
}

// ofSomebody selects the sessions whose person is there: with foreign keys off, as in SQLite's own shell, one can be
// deleted alone. SQLite makes a join of EXISTS, which makes the look-up that each request begins with two to three
// times as slow as IN does.
func ofSomebody(s *sql.Selector) {
	people := sql.Table(user.Table)
	s.Where(sql.In(s.C(session.FieldUserID), sql.Select(people.C(user.FieldID)).From(people)))
}

// Holds says whether the viewer's session still holds: neither ended nor expired since the request began.
func (a *Accounts) Holds(ctx context.Context, v Viewer) (bool, error) {
	holds, err := a.client.Session.Query().Where(session.ID(v.SessionID), Holding()).Exist(AsSystem(ctx))
	if err != nil {
		return false, fmt.Errorf("read a session: %w", err)
	}
	return holds, nil
}

// SignOut ends the viewer's session, and what is open for it but the request of ctx. It returns when that is done.
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

// RemoveEnded deletes the sessions that ended, signed out or expired, longer than KeepEnded ago.
func (a *Accounts) RemoveEnded(ctx context.Context) error {
	before := time.Now().UTC().Add(-KeepEnded)
	_, err := a.client.Session.Delete().Where(session.Or(session.ExpiresAtLTE(before), session.EndedAtLTE(before))).Exec(AsSystem(ctx))
	return err
}

// tokenLength is that of 32 bytes in unpadded base64.
const tokenLength = 43

func newToken() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails, by its contract
	return base64.RawURLEncoding.EncodeToString(secret[:])
}

func hashToken(token string) tokenHash { return sha256.Sum256([]byte(token)) }
