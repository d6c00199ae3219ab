package realtime_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lorebridge/database"
	"lorebridge/realtime"
)

// shelf is a database on disk, and the file beside it that had the app before.
type shelf struct {
	t         *testing.T
	path, app string
	log       strings.Builder
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lorebridge.db")
	return &shelf{t: t, path: path, app: path + ".pusher.json"}
}

// open starts a server on the database, as far as its app goes.
func (s *shelf) open() (realtime.Config, error) {
	s.t.Helper()
	client, err := database.Open(s.t.Context(), database.Config{URL: "sqlite:" + s.path})
	must(s.t, err)
	defer func() { must(s.t, client.Close()) }()
	base := realtime.Config{Scheme: "https", MasterKey: masterKey}
	return base.WithOwnApp(s.t.Context(), database.NewSettings(client), s.app, slog.New(slog.NewTextHandler(&s.log, nil)))
}

func (s *shelf) hasFile() bool {
	_, err := os.Stat(s.app)
	return !errors.Is(err, fs.ErrNotExist)
}

func TestAnAppOfItsOwnIsKeptInTheDatabase(t *testing.T) {
	t.Parallel()
	here, there := newShelf(t), newShelf(t)
	first, err := here.open()
	must(t, err)
	must(t, first.Validate())
	if !first.HasApp() || !first.Embedded() || first.MasterKey != masterKey || len(first.Key) < 20 || len(first.Secret) < 64 || first.Key == first.Secret[:len(first.Key)] {
		t.Errorf("the app is %+v", first)
	}
	second, err := here.open()
	must(t, err)
	other, err := there.open()
	must(t, err)
	if second != first {
		t.Errorf("at the next start it is another: %+v, %+v", first, second)
	}
	if other.Key == first.Key || other.Secret == first.Secret {
		t.Error("two servers have one app")
	}
	if here.hasFile() || here.log.String() != "" {
		t.Errorf("there is a file beside the database, or a line in the log: %s", here.log.String())
	}

	// The database alone is the whole backup.
	must(t, os.Remove(there.path))
	text, err := os.ReadFile(here.path) // closed, so that it is in one file
	must(t, err)
	must(t, os.WriteFile(there.path, text, 0o600))
	restored, err := there.open()
	must(t, err)
	if restored != first {
		t.Errorf("a copy elsewhere has %+v, want %+v", restored, first)
	}
}

func TestTheFileThatHadTheAppIsReadOnceAndDeleted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mode os.FileMode
		want string
	}{
		"for its owner alone":    {0o600, "level=INFO"},
		"that others could read": {0o644, "others could read the secret"},
	} {
		s := newShelf(t)
		must(t, os.WriteFile(s.app, []byte(`{"appId":"lorebridge","key":"k1","secret":"s1"}`), test.mode))
		c, err := s.open()
		must(t, err)
		if c.AppID != "lorebridge" || c.Key != "k1" || c.Secret != "s1" {
			t.Errorf("%s: the app is %+v", name, c)
		}
		if s.hasFile() || !strings.Contains(s.log.String(), test.want) || strings.Contains(s.log.String(), "s1") {
			t.Errorf("%s: the file is there: %t, logged %s", name, s.hasFile(), s.log.String())
		}
		// As after a crash before it was deleted, and then one that somebody copied back.
		must(t, os.WriteFile(s.app, []byte(`{"appId":"lorebridge","key":"k1","secret":"s1"}`), 0o600))
		again, err := s.open()
		must(t, err)
		if again != c || s.hasFile() {
			t.Errorf("%s: at the next start the app is %+v, the file is there: %t", name, again, s.hasFile())
		}
		must(t, os.WriteFile(s.app, []byte(`{"appId":"lorebridge","key":"k2","secret":"s2"}`), 0o600))
		again, err = s.open()
		must(t, err)
		if again != c || !s.hasFile() || !strings.Contains(s.log.String(), "which nothing reads") {
			t.Errorf("%s: with another file the app is %+v, logged %s", name, again, s.log.String())
		}
	}
}

func TestADamagedAppIsToldByItsPlaceAndLeftAlone(t *testing.T) {
	t.Parallel()
	whole, err := json.Marshal(map[string]string{"appId": "a", "key": "b", "secret": "c"})
	must(t, err)
	for name, text := range map[string]string{
		"empty": "", "half": string(whole[:len(whole)-5]), "no secret": `{"appId":"a","key":"b"}`, "an array": "[]", "null": "null",
	} {
		s := newShelf(t)
		must(t, os.WriteFile(s.app, []byte(text), 0o600))
		if _, err := s.open(); err == nil || !strings.Contains(err.Error(), s.app) || !strings.Contains(err.Error(), "delete the file") {
			t.Errorf("%s: %v", name, err)
		}
		if kept, err := os.ReadFile(s.app); err != nil || string(kept) != text {
			t.Errorf("%s: the file is now %q, %v", name, kept, err)
		}

		client, err := database.Open(t.Context(), database.Config{URL: "sqlite:" + s.path})
		must(t, err)
		_, _, err = database.NewSettings(client).Keep(t.Context(), "embedded_app", func() (string, error) { return text, nil })
		must(t, errors.Join(err, client.Close(), os.Remove(s.app)))
		if _, err := s.open(); err == nil || !strings.Contains(err.Error(), "embedded_app") || !strings.Contains(err.Error(), "delete its row") {
			t.Errorf("%s, in the database: %v", name, err)
		}
	}
	s := newShelf(t)
	must(t, os.Mkdir(s.app, 0o700))
	if _, err := s.open(); err == nil {
		t.Error("a folder is an app")
	}
}
