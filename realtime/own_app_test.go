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

// installation is a database on disk, and the path at which an earlier version kept the app.
type installation struct {
	t         *testing.T
	path, app string
	log       strings.Builder
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lorebridge.db")
	return &installation{t: t, path: path, app: path + ".pusher.json"}
}

// open opens the database and returns a configuration with its app, as a start of the server does.
func (s *installation) open() (realtime.Config, error) {
	s.t.Helper()
	client, err := database.Open(s.t.Context(), database.Config{URL: "sqlite:" + s.path})
	must(s.t, err)
	defer func() { must(s.t, client.Close()) }()
	own, err := realtime.OwnApp(s.t.Context(), database.NewSettings(client), s.app, slog.New(slog.NewTextHandler(&s.log, nil)))
	return realtime.Config{Scheme: "https", MasterKey: masterKey, AppID: own.ID, Key: own.Key, Secret: own.Secret}, err
}

func (s *installation) hasFile() bool {
	_, err := os.Stat(s.app)
	return !errors.Is(err, fs.ErrNotExist)
}

func TestTheAppOfTheEmbeddedServerIsKeptInTheDatabase(t *testing.T) {
	t.Parallel()
	here, there := newInstallation(t), newInstallation(t)
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
		t.Errorf("at the next start the app is another: %+v, %+v", first, second)
	}
	if other.Key == first.Key || other.Secret == first.Secret {
		t.Error("two servers have one app")
	}
	if here.hasFile() || here.log.String() != "" {
		t.Errorf("there is a file beside the database, or a record in the log: %s", here.log.String())
	}

	// A copy of the database is a complete backup.
	must(t, os.Remove(there.path))
	text, err := os.ReadFile(here.path) // it is closed, so all of it is in one file
	must(t, err)
	must(t, os.WriteFile(there.path, text, 0o600))
	restored, err := there.open()
	must(t, err)
	if restored != first {
		t.Errorf("a copy elsewhere has %+v, want %+v", restored, first)
	}
}

func TestTheFileOfAnEarlierVersionIsReadOnceAndDeleted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mode os.FileMode
		want string
	}{
		"a private file":         {0o600, "level=INFO"},
		"a file others can read": {0o644, "others could read the secret"},
	} {
		s := newInstallation(t)
		must(t, os.WriteFile(s.app, []byte(`{"appId":"lorebridge","key":"k1","secret":"s1"}`), test.mode))
		c, err := s.open()
		must(t, err)
		if c.AppID != "lorebridge" || c.Key != "k1" || c.Secret != "s1" {
			t.Errorf("%s: the app is %+v", name, c)
		}
		if s.hasFile() || !strings.Contains(s.log.String(), test.want) || strings.Contains(s.log.String(), "s1") {
			t.Errorf("%s: the file is there: %t, logged %s", name, s.hasFile(), s.log.String())
		}
		// The file is there as after a crash before its deletion, and then with the credentials of another app.
		must(t, os.WriteFile(s.app, []byte(`{"appId":"lorebridge","key":"k1","secret":"s1"}`), 0o600))
		next, err := s.open()
		must(t, err)
		if next != c || s.hasFile() {
			t.Errorf("%s: at the next start the app is %+v, the file is there: %t", name, next, s.hasFile())
		}
		must(t, os.WriteFile(s.app, []byte(`{"appId":"lorebridge","key":"k2","secret":"s2"}`), 0o600))
		next, err = s.open()
		must(t, err)
		if next != c || !s.hasFile() || !strings.Contains(s.log.String(), "which nothing reads") {
			t.Errorf("%s: with another file the app is %+v, logged %s", name, next, s.log.String())
		}
	}
}

func TestTheErrorOfADamagedAppNamesItsPlaceAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	whole, err := json.Marshal(map[string]string{"appId": "a", "key": "b", "secret": "c"})
	must(t, err)
	for name, text := range map[string]string{
		"empty": "", "half": string(whole[:len(whole)-5]), "no secret": `{"appId":"a","key":"b"}`, "an array": "[]", "null": "null",
	} {
		s := newInstallation(t)
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
	s := newInstallation(t)
	must(t, os.Mkdir(s.app, 0o700))
	if _, err := s.open(); err == nil {
		t.Error("a folder is an app")
	}
}
