package auth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/rule"
)

const password = "correct horse battery"

func TestAnAccountIsMadeOnceAndEnteredByItsPassword(t *testing.T) {
	t.Parallel()
	h := build(t)
	ctx := h.ctx()
	made, err := h.signUp(ctx, " Ada@Example.COM\n", password)
	must(t, err)
	if made.User.Email != "ada@example.com" || made.User.Name != "Ada" || made.User.ID != 1 {
		t.Errorf("the account is %v", made.User)
	}
	again, err := h.signIn(ctx, "ADA@example.com ", password)
	must(t, err)
	if again.User.ID != made.User.ID || again.Token == made.Token {
		t.Errorf("signing in gives %+v after %+v", again, made)
	}
	for _, s := range []auth.Session{made, again} {
		if raw, err := base64.RawURLEncoding.DecodeString(s.Token); err != nil || len(raw) != 32 {
			t.Errorf("a token of %d bytes, %v", len(raw), err)
		}
		if left := time.Until(s.ExpiresAt); left > auth.SessionLifetime || left < auth.SessionLifetime-time.Minute {
			t.Errorf("a session of %v", left)
		}
	}

	// What is stored opens nothing.
	row := h.client.User.Query().OnlyX(h.system())
	params, salt, key, err := argon2id.DecodeHash(row.PasswordHash)
	must(t, err)
	want := argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	if *params != want || len(salt) != 16 || len(key) != 32 || !strings.HasPrefix(row.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("the password is kept as %s", row.PasswordHash)
	}
	for _, s := range h.client.Session.Query().AllX(h.system()) {
		if len(s.TokenHash) != 32 || strings.Contains(made.Token+again.Token, string(s.TokenHash)) {
			t.Errorf("a token is kept as %q", s.TokenHash)
		}
	}
	for _, text := range []string{row.String(), h.client.Session.Query().FirstX(h.system()).String()} {
		if strings.Contains(text, "argon2id") || !strings.Contains(text, "<sensitive>") {
			t.Errorf("a log would show %s", text)
		}
	}
}

// An error does not show why signing in failed, and nothing is written. The tests of hashing show that the same work
// is done.
func TestWrongCredentialsAreAllTheSame(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *auth.Config) { c.SignInsPerAccount, c.SignInsPerAddress = 100, 100 })
	ctx := h.ctx()
	_, err := h.signUp(ctx, "ada@example.com", password)
	must(t, err)
	var texts []string
	for _, try := range [][2]string{
		{"ada@example.com", password + "!"},
		{"ada@example.com", ""},
		{"ada@example.com", strings.ToUpper(password)},
		{"bob@example.com", password},
		{"bob@example.com", strings.Repeat("a", 1<<20)},
	} {
		s, err := h.signIn(ctx, try[0], try[1])
		if !errors.Is(err, auth.ErrUnauthenticated) || s != (auth.Session{}) {
			t.Errorf("%s with %.30q: %+v, %v", try[0], try[1], s, err)
		}
		texts = append(texts, err.Error())
	}
	for _, text := range texts {
		if text != texts[0] || strings.Contains(text, "example.com") {
			t.Errorf("the errors differ: %q", texts)
		}
	}
	if n := h.client.Session.Query().CountX(h.system()); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// A sign-in with an unknown address hashes as well, which takes 19 MiB. Not parallel, because it counts the
// allocations of the whole process.
func TestAnUnknownAddressTakesTheMemoryOfAHash(t *testing.T) {
	h := build(t)
	ctx := h.ctx()
	_, err := h.signUp(ctx, "ada@example.com", password)
	must(t, err)
	for _, email := range []string{"ada@example.com", "bob@example.com"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := h.signIn(ctx, email, password+"!"); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken < 19<<20 || taken > 2*19<<20 {
			t.Errorf("%s takes %d MiB", email, taken>>20)
		}
	}
}

func TestTwentySignUpsAtOnceMakeOneAccount(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *auth.Config) { c.SignUpsPerAddress = 100 })
	ctx := h.ctx()
	errs := make([]error, 20)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			email := "ada@example.com"
			if i%2 == 1 {
				email = " ADA@example.com "
			}
			_, errs[i] = h.signUp(ctx, email, password)
		})
	}
	group.Wait()
	made := 0
	for _, err := range errs {
		var input *rule.InputError
		switch {
		case err == nil:
			made++
		case !errors.As(err, &input) || input.Field != "email":
			t.Errorf("got %v, want that the address is taken", err)
		}
	}
	users, sessions := h.client.User.Query().CountX(h.system()), h.client.Session.Query().CountX(h.system())
	if made != 1 || users != 1 || sessions != 1 {
		t.Errorf("%d made, %d accounts, %d sessions", made, users, sessions)
	}
}

func TestAnAccountThatIsNotMadeLeavesNothing(t *testing.T) {
	t.Parallel()
	h := build(t)
	ctx := h.ctx()
	failed := errors.New("failed after it was written")
	_, err := h.accounts.SignUp(ctx, func(ctx context.Context, fn func(context.Context, *ent.Client) error) error {
		return h.withTx(ctx, func(ctx context.Context, tx *ent.Client) error { return errors.Join(fn(ctx, tx), failed) })
	}, auth.NewAccount{Name: "Ada", Email: "ada@example.com", Password: password})
	if !errors.Is(err, failed) || h.client.User.Query().ExistX(h.system()) || h.client.Session.Query().ExistX(h.system()) {
		t.Errorf("got %v", err)
	}
}

// tried signs in n times and cancels each attempt before its password is hashed. It returns how many got through the
// limits, and the last wait.
func (h *harness) tried(n int, email string, header ...string) (through int, last time.Duration) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.ctx(header...))
	cancel() // the limits come first; then the database returns an error
	for range n {
		_, err := h.signIn(ctx, email, password)
		var limited *auth.RateLimitError
		switch {
		case errors.As(err, &limited):
			last = limited.RetryAfter
		case errors.Is(err, context.Canceled):
			through++
		default:
			h.t.Fatalf("sign in: %v", err)
		}
	}
	return through, last
}

func TestAttemptsToSignInAreLimitedByAddressAndByPair(t *testing.T) {
	t.Parallel()
	h := build(t)
	if n, wait := h.tried(8, "ada@example.com"); n != 5 || wait < 50*time.Second || wait > time.Minute {
		t.Errorf("%d of 8 attempts at one account, then wait %v", n, wait)
	}
	if n, _ := h.tried(1, " ADA@Example.com"); n != 0 {
		t.Error("the same account in other letters is another one")
	}
	if n, wait := h.tried(5, "bob@example.com"); n != 1 || wait < 50*time.Second || wait > time.Minute {
		t.Errorf("%d of 5 attempts at another account, then wait %v: ten an address", n, wait)
	}
	// Nobody is locked out by a stranger at another address.
	if n, _ := h.tried(5, "ada@example.com", "Remote", "192.0.2.2:1"); n != 5 {
		t.Errorf("%d of 5 attempts from another address", n)
	}
	if n, _ := h.tried(1, "carol@example.com", "Remote", "192.0.2.1:9999"); n != 0 {
		t.Error("another port is another address")
	}
}

func TestAttemptsThatAreNoAddressCountToo(t *testing.T) {
	t.Parallel()
	h := build(t)
	ctx := h.ctx()
	rejected := 0
	for range 12 {
		_, err := h.signIn(ctx, "nonsense", password)
		var limited *auth.RateLimitError
		var input *rule.InputError
		switch {
		case errors.As(err, &limited):
			rejected++
		case !errors.As(err, &input) || input.Field != "email":
			t.Fatalf("sign in: %v", err)
		}
	}
	if rejected != 7 {
		t.Errorf("%d of 12 are rejected", rejected)
	}
}

func TestAttemptsToSignUpAreLimitedByAddress(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *auth.Config) { c.SignUpsPerAddress = 2 })
	for i, from := range []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.2:1"} {
		_, err := h.signUp(h.ctx("Remote", from), "ada@example.com", "short") // too short to be hashed
		var limited *auth.RateLimitError
		if got, want := errors.As(err, &limited), i == 2; got != want {
			t.Errorf("attempt %d from %s: %v", i, from, err)
		}
	}
}

// Behind a trusted proxy, attempts count per client behind it. An IPv6 client counts with its whole network.
func TestWhoseAttemptCounts(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *auth.Config) { c.TrustedProxies = []string{"10.0.0.0/8", "2001:db8:ffff::1"} })
	for _, test := range []struct {
		name string
		from []string
		left int // of five attempts for this pair
	}{
		{"behind the proxy", []string{"Remote", "10.1.2.3:1", "X-Forwarded-For", "198.51.100.1"}, 5},
		{"the same again", []string{"Remote", "10.9.9.9:1", "X-Forwarded-For", "198.51.100.1"}, 0},
		{"another behind it", []string{"Remote", "10.1.2.3:1", "X-Forwarded-For", "198.51.100.2"}, 5},
		{"with a lie in front", []string{"Remote", "10.1.2.3:1", "X-Forwarded-For", "203.0.113.9, 198.51.100.1"}, 0},
		{"with a lie in a header in front", []string{"Remote", "10.1.2.3:1", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-For", "198.51.100.1"}, 0},
		{"behind two proxies", []string{"Remote", "10.1.2.3:1", "X-Forwarded-For", "198.51.100.1, 10.4.4.4"}, 0},
		{"without the proxy, with a lie", []string{"Remote", "203.0.113.7:1", "X-Forwarded-For", "198.51.100.3"}, 5},
		{"without the proxy, with another lie", []string{"Remote", "203.0.113.7:1", "X-Forwarded-For", "198.51.100.4"}, 0},
		{"IPv6", []string{"Remote", "[2001:db8:1:2::1]:1"}, 5},
		{"its neighbor", []string{"Remote", "[2001:db8:1:2:ffff::2]:1"}, 0},
		{"another network", []string{"Remote", "[2001:db8:1:3::1]:1"}, 5},
		{"IPv4 in IPv6", []string{"Remote", "[::ffff:203.0.113.7]:1"}, 0},
		{"an IPv6 proxy", []string{"Remote", "[2001:db8:ffff::1]:1", "X-Forwarded-For", "2001:db8:1:2::77"}, 0},
		{"a proxy without a word", []string{"Remote", "10.1.2.3:1"}, 5},
		{"a proxy with nonsense", []string{"Remote", "10.1.2.3:1", "X-Forwarded-For", "nonsense"}, 0},
	} {
		if got, _ := h.tried(5, "ada@example.com", test.from...); got != test.left {
			t.Errorf("%s: %d of 5 attempts, want %d", test.name, got, test.left)
		}
	}
}
