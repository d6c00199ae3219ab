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

// passwords hashes as many passwords at a time as there are cores: each takes 19 MiB and a core.
type passwords struct {
	slots chan struct{}
	// nobody is a hash that no password has, compared where there is no account.
	nobody string
}

func newPasswords() *passwords {
	return &passwords{slots: make(chan struct{}, runtime.GOMAXPROCS(0)), nobody: randomHash()}
}

// randomHash is in the form of a hash, and costs as much to compare with. Nothing was hashed for it: its key is random.
func randomHash() string {
	salt, key := make([]byte, hashing.SaltLength), make([]byte, hashing.KeyLength)
	_, _ = rand.Read(salt) // never fails, by its contract
	_, _ = rand.Read(key)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s",
		hashing.Memory, hashing.Iterations, hashing.Parallelism, encode(salt), encode(key))
}

// hash refuses a password that is too short or too long, and returns the others' hash.
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

// matches compares a password with an account's hash, or, where hash is empty, with nobody's.
func (p *passwords) matches(ctx context.Context, password, hash string) (bool, error) {
	known := hash != ""
	if !known {
		hash = p.nobody
	}
	if utf8.RuneCountInString(password) > maxPassword {
		password = "" // nobody has it, and it is not worth hashing a megabyte
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
