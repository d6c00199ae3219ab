package pusherserver_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lorebridge/pusherserver"
)

func TestAnAppIsMadeOnceAndReadAfterThat(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.json")
	made, err := pusherserver.LoadOrCreateApp(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pusherserver.New(pusherserver.Config{Apps: []pusherserver.App{made}}); err != nil {
		t.Errorf("the new app is not valid: %v", err)
	}
	if len(made.Key) != 20 || len(made.Secret) != 64 {
		t.Errorf("got a key of %d and a secret of %d characters, want 20 and 64", len(made.Key), len(made.Secret))
	}
	read, err := pusherserver.LoadOrCreateApp(path)
	if err != nil || !same(read, made) {
		t.Errorf("read %+v, %v; want %+v", read, err, made)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the file is %v, %v; want 0600", info.Mode(), err)
	}
	other, err := pusherserver.LoadOrCreateApp(filepath.Join(t.TempDir(), "app.json"))
	if err != nil || other.ID == made.ID || other.Key == made.Key || other.Secret == made.Secret {
		t.Errorf("a second app is %+v, %v; want other credentials than %+v", other, err, made)
	}
}

func TestTheFormOfAnAppFileIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.json")
	former := `{"appId":"lorebridge","key":"26c8ab2c2fdbc3d8b9a1","secret":"s3cret"}`
	if err := os.WriteFile(path, []byte(former), 0o400); err != nil {
		t.Fatal(err)
	}
	app, err := pusherserver.LoadOrCreateApp(path)
	want := pusherserver.App{ID: "lorebridge", Key: "26c8ab2c2fdbc3d8b9a1", Secret: "s3cret"}
	if err != nil || !same(app, want) {
		t.Errorf("got %+v, %v; want %+v", app, err, want)
	}
	if text := readFile(t, path); text != former {
		t.Errorf("the file became %s", text)
	}

	made, err := pusherserver.LoadOrCreateApp(filepath.Join(filepath.Dir(path), "new.json"))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]string
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(filepath.Dir(path), "new.json"))), &fields); err != nil {
		t.Fatal(err)
	}
	if len(fields) != 3 || fields["appId"] != made.ID || fields["key"] != made.Key || fields["secret"] != made.Secret {
		t.Errorf("the file holds %v, want appId, key and secret of %+v", fields, made)
	}
}

func TestCallersAtTheSameTimeGetOneApp(t *testing.T) {
	t.Parallel()
	for range 20 {
		folder := t.TempDir()
		path := filepath.Join(folder, "app.json")
		apps := make([]pusherserver.App, 8)
		begin := make(chan struct{})
		var callers sync.WaitGroup
		for i := range apps {
			callers.Go(func() {
				<-begin
				app, err := pusherserver.LoadOrCreateApp(path)
				if err != nil {
					t.Error(err)
				}
				apps[i] = app
			})
		}
		close(begin)
		callers.Wait()
		kept, err := pusherserver.LoadOrCreateApp(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, app := range apps {
			if !same(app, kept) {
				t.Fatalf("one caller got %+v, the file holds %+v", app, kept)
			}
		}
		entries, err := os.ReadDir(folder)
		if err != nil || len(entries) != 1 {
			t.Fatalf("the folder holds %v, %v; want the file alone", entries, err)
		}
	}
}

func TestErrorsOfAnAppFileNameThePathAndWhatToDo(t *testing.T) {
	t.Parallel()
	for name, damaged := range map[string]string{
		"empty":            "",
		"cut off":          `{"appId":"1","key":"k`,
		"of another shape": `["1","key","secret"]`,
		"without a secret": `{"appId":"1","key":"key"}`,
		"with a wrong key": `{"appId":"1","key":"a/b","secret":"secret"}`,
		"with more after":  `{"appId":"1","key":"key","secret":"secret"}{}`,
	} {
		path := filepath.Join(t.TempDir(), "app.json")
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		wantError(t, path, "damaged", "delete it and a new app is made")
		if text := readFile(t, path); text != damaged {
			t.Errorf("a file that is %s became %s", name, text)
		}
	}

	folder := t.TempDir()
	wantError(t, folder, "it must be a file that this process may read")
	wantError(t, filepath.Join(folder, "missing", "app.json"), "its folder must exist")
	dangling := filepath.Join(folder, "link")
	if err := os.Symlink(filepath.Join(folder, "nowhere"), dangling); err != nil {
		t.Fatal(err)
	}
	wantError(t, dangling, "it must be a file that this process may read")
}

// wantError checks that the error for path has path and parts in it.
func wantError(t *testing.T, path string, parts ...string) {
	t.Helper()
	app, err := pusherserver.LoadOrCreateApp(path)
	if err == nil || !same(app, pusherserver.App{}) {
		t.Errorf("%s: got %+v, %v; want an error alone", path, app, err)
		return
	}
	for _, part := range append(parts, path) {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got error %q, want %q in it", err, part)
		}
	}
}

func same(a, b pusherserver.App) bool {
	return a.ID == b.ID && a.Key == b.Key && a.Secret == b.Secret && len(a.Webhooks) == len(b.Webhooks)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
