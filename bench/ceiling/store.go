package main

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/mattn/go-sqlite3"
)

var (
	errNoSession = errors.New("no session holds")
	errNoOwner   = errors.New("there is no such person")
)

// conn is one connection to the database. It is not for concurrent use.
type conn struct {
	*sqlite3.SQLiteConn

	statements []driver.Stmt
}

// open connects to the database at path, with the server's settings.
func open(path string, pragmas ...string) (*conn, error) {
	options := url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_busy_timeout": {"2500"}, "_fk": {"1"}, "_cache_size": {"-16384"}, "mode": {"rw"},
	}
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}).String()
	opened, err := (&sqlite3.SQLiteDriver{}).Open(dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	c := &conn{SQLiteConn: opened.(*sqlite3.SQLiteConn)} //nolint:forcetypeassert // the driver's own type
	for _, pragma := range pragmas {
		if _, err := c.Exec("PRAGMA "+pragma, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("set %s: %w", pragma, err), c.close())
		}
	}
	return c, nil
}

// prepare prepares a statement, which is closed with the connection.
func (c *conn) prepare(query string) (*statement, error) {
	prepared, err := c.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", query, err)
	}
	c.statements = append(c.statements, prepared)
	return &statement{
		prepared: prepared.(*sqlite3.SQLiteStmt), //nolint:forcetypeassert // the driver's own type
		args:     make([]driver.NamedValue, prepared.NumInput()),
	}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.Close())...)
}

// statement is a prepared statement with room for its arguments. It is not for concurrent use.
type statement struct {
	prepared *sqlite3.SQLiteStmt
	args     []driver.NamedValue
}

// bind sets the arguments of the next run.
func (s *statement) bind(values ...driver.Value) []driver.NamedValue {
	for i, v := range values {
		s.args[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return s.args
}

// row runs the statement and reads its first row. It returns io.EOF if there is none.
func (s *statement) row(into []driver.Value, values ...driver.Value) error {
	rows, err := s.prepared.QueryContext(context.Background(), s.bind(values...))
	if err != nil {
		return err
	}
	return errors.Join(rows.Next(into), rows.Close())
}

// exec runs a statement without rows.
func (s *statement) exec(values ...driver.Value) error {
	_, err := s.prepared.ExecContext(context.Background(), s.bind(values...))
	return err
}

// viewer is the person who sends a request.
type viewer struct {
	id   int64
	name string
}

// reader looks up sessions. It is not for concurrent use.
type reader struct {
	*conn

	session *statement
	row     [2]driver.Value
}

func openReader(path string) (*reader, error) {
	c, err := open(path, "query_only=1")
	if err != nil {
		return nil, err
	}
	r := &reader{conn: c}
	r.session, err = c.prepare("SELECT u.id, u.name FROM sessions s JOIN users u ON u.id = s.user_id " +
		"WHERE s.token_hash = ? AND s.ended_at IS NULL AND s.expires_at > ?")
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return r, nil
}

// viewer returns the person whose session has the token, or errNoSession.
func (r *reader) viewer(token string) (viewer, error) {
	hash := sha256.Sum256([]byte(token))
	err := r.session.row(r.row[:], hash[:], time.Now().UTC())
	if errors.Is(err, io.EOF) {
		return viewer{}, errNoSession
	}
	if err != nil {
		return viewer{}, fmt.Errorf("read a session: %w", err)
	}
	id, _ := r.row[0].(int64)
	name, _ := r.row[1].(string)
	return viewer{id, name}, nil
}

// ask is a request to write.
type ask struct {
	from     int64
	owner    int64
	question string
	texts    []byte // the part of the payload that is known before the transaction
}

// created is the result of an ask.
type created struct {
	requestID int64
	eventID   int64
	at        time.Time
	exists    bool // whether the same request was pending, so that nothing was written
	payload   []byte
}

// store writes. Only the member that has the turn may use it.
type store struct {
	*conn

	beginning, committing, rollingBack *statement
	request, pending, event            *statement
	mark                               *statement
	row                                [2]driver.Value
}

var _ transaction = (*store)(nil)

func openStore(path string) (_ *store, err error) {
	c, err := open(path, "temp_store=MEMORY", "wal_autocheckpoint=8000")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	mark, err := c.markStatement()
	if err != nil {
		return nil, err
	}
	s := &store{conn: c}
	for query, into := range map[string]**statement{
		"BEGIN IMMEDIATE": &s.beginning, "COMMIT": &s.committing, "ROLLBACK": &s.rollingBack, mark: &s.mark,
		"INSERT INTO knowledge_requests (created_at, question, question_hash, status, requester_id, owner_id) " +
			"VALUES (?, ?, ?, 'PENDING', ?, ?) ON CONFLICT DO NOTHING RETURNING id": &s.request,
		"SELECT id, created_at FROM knowledge_requests WHERE status = 'PENDING' AND knowledge_id IS NULL " +
			"AND requester_id = ? AND owner_id = ? AND question_hash = ?": &s.pending,
		"INSERT INTO events (created_at, kind, payload, recipient_id, request_id, actor_id) " +
			"VALUES (?, 'KNOWLEDGE_REQUEST', ?, ?, ?, ?) RETURNING id": &s.event,
	} {
		if *into, err = c.prepare(query); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *store) begin() error  { return s.beginning.exec() }
func (s *store) commit() error { return s.committing.exec() }

func (s *store) rollback() error {
	if s.AutoCommit() { // SQLite has already rolled back, for example because the disk is full
		return nil
	}
	return s.rollingBack.exec()
}

// create writes a request and its event into the current transaction. The foreign key checks whether the owner
// exists.
func (s *store) create(a *ask) (created, error) {
	c := created{at: time.Now().UTC().Truncate(time.Millisecond)}
	hash := sha256.Sum256([]byte(a.question))
	err := s.request.row(s.row[:1], c.at, a.question, hash[:], a.from, a.owner)
	switch failure, _ := errors.AsType[sqlite3.Error](err); {
	case errors.Is(err, io.EOF):
		return s.same(a, hash[:])
	case failure.ExtendedCode == sqlite3.ErrConstraintForeignKey:
		return created{}, errNoOwner
	case err != nil && s.AutoCommit():
		return created{}, dirtyError{fmt.Errorf("write a request: %w", err)}
	case err != nil:
		return created{}, fmt.Errorf("write a request: %w", err)
	}
	c.requestID, _ = s.row[0].(int64)
	c.payload = appendPayload(make([]byte, 0, len(a.texts)+128), a, c.requestID, c.at)
	if err := s.event.row(s.row[:1], c.at, c.payload, a.owner, c.requestID, a.from); err != nil {
		return created{}, dirtyError{fmt.Errorf("write an event: %w", err)}
	}
	c.eventID, _ = s.row[0].(int64)
	return c, nil
}

// same returns the pending request that is the same.
func (s *store) same(a *ask, hash []byte) (created, error) {
	if err := s.pending.row(s.row[:], a.from, a.owner, hash); err != nil {
		return created{}, fmt.Errorf("read the pending request: %w", err)
	}
	c := created{exists: true}
	c.requestID, _ = s.row[0].(int64)
	c.at, _ = s.row[1].(time.Time)
	return c, nil
}
