package pusherserver

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// appFile is the JSON of a file that holds an App.
type appFile struct {
	ID     string `json:"appId"`
	Key    string `json:"key"`
	Secret string `json:"secret"`
}

// LoadOrCreateApp returns the app whose id, key and secret are in the file at path. If there is no such file, it
// creates the file, with a random id, key and secret, and mode 0600. So the app stays the same after a restart, and
// connected browsers can come back.
//
// The file is JSON: {"appId": "…", "key": "…", "secret": "…"}. It appears complete or not at all, and an existing file
// is never changed. The folder must exist, and its file system must support hard links. Webhooks are not in the file:
// add them to the App that is returned.
//
// Each error names path and what to do. A damaged file is an error, because a new app would disconnect every client.
//
// LoadOrCreateApp may be called concurrently, by several processes too: all of them return the same app.
func LoadOrCreateApp(path string) (App, error) {
	app, err := readApp(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return app, err
	}
	app = newApp()
	err = createAppFile(path, app)
	if errors.Is(err, fs.ErrExist) {
		return readApp(path) // another caller was first
	}
	if err != nil {
		return App{}, fmt.Errorf("create app file %s: %w: its folder must exist, be writable and support hard links", path, err)
	}
	return app, nil
}

// readApp returns the app of the file at path.
func readApp(path string) (App, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return App{}, fmt.Errorf("read app file %s: %w: it must be a file that this process may read", path, withoutPath(err))
	}
	var file appFile
	err = json.Unmarshal(text, &file)
	app := App{ID: file.ID, Key: file.Key, Secret: file.Secret}
	if err == nil {
		err = validateApps([]App{app})
	}
	if err != nil {
		return App{}, fmt.Errorf("read app file %s: the file is damaged: delete it and a new app is made", path)
	}
	return app, nil
}

// newApp returns an app of random credentials. The id is a number, as those of the hosted service are.
func newApp() App {
	return App{ID: strconv.FormatUint(secureUint64()>>32, 10), Key: randomHex(10), Secret: randomHex(32)}
}

// withoutPath returns the reason alone, because the path is in the message already.
func withoutPath(err error) error {
	if e := new(fs.PathError); errors.As(err, &e) {
		return e.Err
	}
	return err
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails: on an error crypto/rand ends the program
	return hex.EncodeToString(b)
}

// createAppFile writes the file at path in one step. Its error is fs.ErrExist if path exists already.
func createAppFile(path string, app App) error {
	text, err := json.Marshal(appFile{ID: app.ID, Key: app.Key, Secret: app.Secret}) //nolint:gosec // the file is for the secret
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".app-*") // its mode is 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // if it fails, a file remains that nothing reads
	_, err = temporary.Write(append(text, '\n'))
	// Without Sync, a power failure could leave the name of a file without its content.
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	return os.Link(temporary.Name(), path) // rename would replace the file of another caller
}
