package auth

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"
)

// With an account or without, the same function compares with a hash of the same cost. The test shows that both wait
// for a slot, because times prove nothing on a busy machine.
func TestAnUnknownAddressCostsWhatAWrongPasswordCosts(t *testing.T) {
	t.Parallel()
	p := newPasswords()
	known, err := p.hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	ours, _, _, err := argon2id.DecodeHash(known)
	if err != nil {
		t.Fatal(err)
	}
	nobodys, _, _, err := argon2id.DecodeHash(p.nobody)
	if err != nil {
		t.Fatal(err)
	}
	if *ours != *nobodys || *ours != *hashing {
		t.Errorf("an account costs %+v, nobody's %+v, want %+v", ours, nobodys, hashing)
	}

	// With every slot taken neither is answered, so both must hash.
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, hash := range map[string]string{"a wrong password": known, "an unknown address": ""} {
		for _, password := range []string{"wrong", "", strings.Repeat("a", 1<<20)} {
			if _, err := p.matches(gone, password, hash); !errors.Is(err, context.Canceled) {
				t.Errorf("%s is answered without hashing: %v", name, err)
			}
		}
	}
	if _, err := p.hash(gone, "correct horse battery"); !errors.Is(err, context.Canceled) {
		t.Errorf("a new password is hashed beside the others: %v", err)
	}
	for range cap(p.slots) {
		<-p.slots
	}

	for _, test := range []struct {
		password, hash string
		want           bool
	}{
		{"correct horse battery", known, true},
		{"correct horse batterz", known, false},
		{"correct horse battery", "", false},
		{"", "", false},
	} {
		if got, err := p.matches(t.Context(), test.password, test.hash); err != nil || got != test.want {
			t.Errorf("%q: %t, %v", test.password, got, err)
		}
	}
	if len(p.slots) != 0 {
		t.Errorf("%d slots are not given back", len(p.slots))
	}
	if _, err := p.matches(t.Context(), "x", "no hash"); err == nil {
		t.Error("a damaged hash is a wrong password")
	}
}
