package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"lorebridge/rule"
)

const (
	minPassword = 8   // characters
	maxPassword = 200 // characters
)

// hashing is OWASP's recommendation for argon2id: 19 MiB, two passes.
var hashing = &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// passwords hashes at most one password per core at a time, because each takes 19 MiB and a core.
type passwords struct {
	slots chan struct{}
	// nobody is a hash that matches no password. It is compared if there is no account, so that this takes the same
	// time.
	nobody string
}

func newPasswords() *passwords {
	return &passwords{slots: make(chan struct{}, runtime.GOMAXPROCS(0)), nobody: randomHash()}
}

// randomHash returns a valid hash with a random key. Comparing with it costs as much as with a real one.
func randomHash() string {
	salt, key := make([]byte, hashing.SaltLength), make([]byte, hashing.KeyLength)
	_, _ = rand.Read(salt) // never fails, by its contract
	_, _ = rand.Read(key)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s",
		hashing.Memory, hashing.Iterations, hashing.Parallelism, encode(salt), encode(key))
}

// hash returns the hash of a password. It returns a *rule.InputError if the password is too short, too long or not
// text.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return "", rule.Inputf("password", "is not text: send UTF-8 without NUL")
	case n < minPassword || n > maxPassword:
		return "", rule.Inputf("password", "has %d characters, allowed are %d to %d", n, minPassword, maxPassword)
	}
	if err := p.acquire(ctx); err != nil {
		return "", err
	}
	defer p.release()
	hash, err := argon2id.CreateHash(password, hashing)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// matches reports whether the password fits the account's hash. If hash is empty, it compares with nobody's and
// returns false.
func (p *passwords) matches(ctx context.Context, password, hash string) (bool, error) {
	known := hash != ""
	if !known {
		hash = p.nobody
	}
	if utf8.RuneCountInString(password) > maxPassword {
		password = "" // no account has such a password, and hashing a megabyte costs too much
	}
	if err := p.acquire(ctx); err != nil {
		return false, err
	}
	defer p.release()
	match, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("compare a password: %w", err)
	}
	return match && known, nil
}

func (p *passwords) acquire(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *passwords) release() { <-p.slots }
