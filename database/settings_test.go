package database_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"lorebridge/auth"
	"lorebridge/database"
	"lorebridge/rule"
)

func TestASettingIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lorebridge.db")
	client, err := database.Open(t.Context(), config(path))
	must(t, err)
	settings := database.NewSettings(client)
	failed := errors.New("nothing to begin with")
	if _, _, err := settings.Keep(t.Context(), "k", func() (string, error) { return "", failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	got := make([]string, 8)
	var group sync.WaitGroup
	for i := range got {
		group.Go(func() {
			value, since, err := settings.Keep(t.Context(), "k", func() (string, error) { return strconv.Itoa(i), nil })
			if got[i] = value; err != nil || since.IsZero() {
				t.Errorf("got %v, %v", since, err)
			}
		})
	}
	group.Wait()
	must(t, client.Close())

	client, err = database.Open(t.Context(), config(path))
	must(t, err)
	defer func() { must(t, client.Close()) }()
	value, _, err := database.NewSettings(client).Keep(t.Context(), "k", func() (string, error) { return "", failed })
	must(t, err)
	for _, other := range got {
		if other != value || value == "" {
			t.Errorf("%q is kept, and one got %q", value, other)
		}
	}
}

func TestReplaceReturnsThePreviousValue(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lorebridge.db")
	client, err := database.Open(t.Context(), config(path))
	must(t, err)
	defer func() { must(t, client.Close()) }()
	before := ""
	for _, value := range []string{"one", "one", "two", "one"} {
		got, err := database.NewSettings(client).Replace(t.Context(), "k", value)
		must(t, err)
		if got != before {
			t.Errorf("before %q it was %q, and not %q", value, got, before)
		}
		before = value
	}
}

// Settings hold secrets, so not even a signed-in person's query can read them.
func TestSettingsAreForTheServerAlone(t *testing.T) {
	t.Parallel()
	client, err := database.Open(t.Context(), config(filepath.Join(t.TempDir(), "lorebridge.db")))
	must(t, err)
	defer func() { must(t, client.Close()) }()
	_, _, err = database.NewSettings(client).Keep(t.Context(), "k", func() (string, error) { return "secret", nil })
	must(t, err)
	for name, ctx := range map[string]context.Context{
		"nobody": t.Context(), "a person": auth.NewContext(t.Context(), auth.Viewer{UserID: 1, SessionID: 1}),
	} {
		if rows, err := client.Setting.Query().All(ctx); !errors.Is(err, rule.ErrForbidden) {
			t.Errorf("%s reads %v, %v", name, rows, err)
		}
		if err := client.Setting.Create().SetKey("l").SetValue("x").Exec(ctx); !errors.Is(err, rule.ErrForbidden) {
			t.Errorf("%s writes: %v", name, err)
		}
	}
}
