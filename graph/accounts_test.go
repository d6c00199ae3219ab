package graph_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/auth"
)

const (
	signUp = `mutation($name: String!, $email: String!, $password: String!, $session: SessionKind) {
		s: signUp(input: {name: $name, email: $email, password: $password, session: $session}) { user { id name email } token expiresAt } }`
	signIn = `mutation($email: String!, $password: String!, $session: SessionKind) {
		s: signIn(input: {email: $email, password: $password, session: $session}) { user { id name email } token expiresAt } }`
)

func account(email, password, session string) map[string]any {
	return map[string]any{"name": "Ada", "email": email, "password": password, "session": session}
}

// One account goes its whole way: hashing is slow under the race detector.
func TestASessionIsCarriedByACookieOrATokenNeverBoth(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.Auth.PublicURL = "https://lore.example.com" })
	for _, begin := range []string{signUp, signIn} {
		a := h.ask(nobody, begin, account(" Ada@Example.COM ", "correct horse", "COOKIE"))
		if token := a.get("s", "token"); token != "null" {
			t.Errorf("scripts see the cookie's token: %s", token)
		}
		if email := a.get("s", "user", "email"); email != "ada@example.com" {
			t.Errorf("the account is of %s", email)
		}
		if len(a.cookies) != 1 {
			t.Fatalf("cookies: %v", a.cookies)
		}
		cookie := a.cookies[0]
		ends, err := time.Parse(time.RFC3339, a.get("s", "expiresAt"))
		must(t, err)
		if lasts := time.Duration(cookie.MaxAge) * time.Second; lasts > time.Until(ends)+time.Second || lasts < auth.SessionLifetime-time.Minute {
			t.Errorf("the cookie lasts %v, its session until %v", lasts, ends)
		}
		if cookie.Name != h.installation.Cookie(true) || !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
			t.Errorf("the cookie is %v", cookie)
		}
		if name := h.post(nobody, `{"query":"{ me { name } }"}`, "Cookie", cookie.Name+"="+cookie.Value).get("me", "name"); name != "Ada" {
			t.Errorf("with the cookie: %s", name)
		}
		if name := h.ask(person{token: cookie.Value}, `{ me { name } }`).get("me", "name"); name != "Ada" {
			t.Errorf("with the cookie's value as a token: %s", name)
		}
	}

	a := h.ask(nobody, signIn, account("ada@example.com", "correct horse", "TOKEN"))
	if len(a.cookies) > 0 {
		t.Errorf("a token comes with cookies %v", a.cookies)
	}
	ada := person{token: a.get("s", "token")}
	if name := h.ask(ada, `{ me { name } }`).get("me", "name"); name != "Ada" {
		t.Errorf("with the token: %s", name)
	}

	// Signing out ends this session and takes the cookie; the two others stay.
	a = h.ask(ada, `mutation { signOut { signedOut } }`)
	if got := a.get("signOut", "signedOut"); got != "true" || len(a.cookies) != 1 || a.cookies[0].MaxAge != -1 || a.cookies[0].Value != "" {
		t.Errorf("signing out: %s, cookies %v", got, a.cookies)
	}
	if open := h.count("sessions WHERE ended_at IS NULL"); open != 2 {
		t.Errorf("%d sessions are left of three", open)
	}
	if ended := h.journal.sessionsEnded(); len(ended) != 1 {
		t.Errorf("the sockets of %v are closed, want those of one session", ended)
	}
	if me := h.ask(ada, `{ me { name } }`).get("me"); me != "null" {
		t.Errorf("signed out: %s", me)
	}
	a = h.ask(ada, `mutation { createKnowledge(input: {title: "x", content: ""}) { knowledge { id } } }`)
	a.rejected("UNAUTHENTICATED")
	if want := "this session has expired or been signed out, or never was: sign in again"; a.Errors[0].Message != want {
		t.Errorf("the message is %q", a.Errors[0].Message)
	}
	if got := h.ask(ada, `mutation { signOut { signedOut } }`).get("signOut", "signedOut"); got != "false" {
		t.Errorf("signing out again: %s", got)
	}
}

// Who asks is found out once for a whole request, so nothing may change it halfway.
func TestSigningUpInAndOutStandAlone(t *testing.T) {
	t.Parallel()
	h := build(t)
	bob := h.person("Bob")
	const item = `createKnowledge(input: {title: "x", content: ""}) { knowledge { owner { name } } }`
	before := h.rows()
	for name, query := range map[string]string{
		"signUp":      `mutation { signUp(input: {name: "Ada", email: "ada@example.com", password: "correct horse"}) { user { name } } ` + item + `}`,
		"signIn":      `mutation { a: signIn(input: {email: "a@b", password: "x"}) { token } b: signIn(input: {email: "a@b", password: "y"}) { token } }`,
		"signOut":     `mutation { ` + item + ` signOut { signedOut } }`,
		"by fragment": `mutation { ...f ` + item + ` } fragment f on Mutation { signOut { signedOut } }`,
	} {
		a := h.ask(bob, query)
		if a.code() != "BAD_USER_INPUT" || len(a.cookies) != 0 {
			t.Errorf("%s beside another: %s", name, a.body)
		}
	}
	if h.rows() != before {
		t.Error("something is written")
	}
	if got := h.ask(bob, `{ me { name } }`).get("me", "name"); got != "Bob" {
		t.Errorf("afterwards the viewer is %s", got)
	}
}

func TestAnUnknownAddressAndAWrongPasswordAnswerAlike(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.ask(nobody, signUp, account("ada@example.com", "correct horse", "TOKEN")).into(&struct{}{})
	before := h.rows()
	wrong := h.ask(nobody, signIn, account("ada@example.com", "correct horst", "TOKEN"))
	unknown := h.ask(nobody, signIn, account("bob@example.com", "correct horse", "TOKEN"))
	wrong.rejected("UNAUTHENTICATED")
	if wrong.body != unknown.body || wrong.status != unknown.status {
		t.Errorf("the answers differ:\n %s\n %s", wrong.body, unknown.body)
	}
	if h.rows() != before {
		t.Error("something is written")
	}
}

func TestSigningInTooOftenIsRateLimited(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.Auth.SignInsPerAccount, p.Auth.SignUpsPerAddress = 1, 1 })
	h.ask(nobody, signIn, account("ada@example.com", "whatever it is", "TOKEN")).rejected("UNAUTHENTICATED")
	a := h.ask(nobody, signIn, account("ADA@example.com", "whatever it is", "TOKEN"))
	a.rejected("RATE_LIMITED")
	if after := a.Errors[0].Extensions.RetryAfter; after < 55 || after > 60 {
		t.Errorf("try again in %d seconds", after)
	}
	h.ask(nobody, signUp, account("not an address", "whatever it is", "TOKEN")).rejected("BAD_USER_INPUT:email")
	h.ask(nobody, signUp, account("ada@example.com", "whatever it is", "TOKEN")).rejected("RATE_LIMITED")
	if h.count("users") != 0 {
		t.Error("an account is made")
	}
}

func TestExpiredAndForgedSessionsAreNobody(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	expired := h.session(ada, time.Now().UTC().Add(-time.Millisecond))
	for name, token := range map[string]string{
		"expired":        expired,
		"forged":         strings.Repeat("A", 43),
		"one letter off": flip(ada.token),
		"too short":      ada.token[:42],
		"too long":       ada.token + "A",
		"empty":          " ",
		"huge":           strings.Repeat("x", 30<<10),
		"not base64":     strings.Repeat("'", 43),
	} {
		for carried, header := range map[string][]string{
			"token":  {"Authorization", "Bearer " + token},
			"cookie": {"Cookie", h.installation.Cookie(false) + "=" + token},
		} {
			if me := h.post(nobody, `{"query":"{ me { id } }"}`, header...).get("me"); me != "null" {
				t.Errorf("%s as a %s is %s", name, carried, me)
			}
			h.post(nobody, `{"query":"{ users { totalCount } }"}`, header...).rejected("UNAUTHENTICATED")
		}
	}
	if me := h.post(nobody, `{"query":"{ me { id } }"}`, "Authorization", "Basic "+ada.token).get("me"); me != "null" {
		t.Errorf("basic authorization is %s", me)
	}
}

func flip(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

func TestTheAnswerToEachPersonIsKeptByNobody(t *testing.T) {
	t.Parallel()
	h := build(t)
	a := h.ask(h.person("Ada"), `{ me { id } }`)
	got := []string{a.header.Get("Content-Type"), a.header.Get("Cache-Control"), a.header.Get("X-Content-Type-Options")}
	if diff := cmp.Diff([]string{"application/json; charset=utf-8", "private, no-store", "nosniff"}, got); diff != "" {
		t.Error(diff)
	}
}
