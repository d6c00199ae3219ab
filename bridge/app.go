package bridge

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// app is the credentials of an app of the embedded server, as its file keeps them.
type app struct {
	AppID  string `json:"appId"`
	Key    string `json:"key"`
	Secret string `json:"secret"`
}

// WithOwnApp returns c with the credentials of an app of its own, made at the first start and kept in the file at
// path, which only its owner can read. Browsers that are connected stay valid over a restart.
func (c Config) WithOwnApp(path string) (Config, error) {
	own, err := readApp(path)
	if errors.Is(err, fs.ErrNotExist) {
		own, err = makeApp(path)
	}
	if err != nil {
		return Config{}, fmt.Errorf("keep the credentials of the embedded Pusher server in %s: %w", path, err)
	}
	c.AppID, c.Key, c.Secret = own.AppID, own.Key, own.Secret
	return c, nil
}

func readApp(path string) (app, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return app{}, err
	}
	var own app
	if err := json.Unmarshal(text, &own); err != nil ||
		!appID.MatchString(own.AppID) || !appID.MatchString(own.Key) || own.Secret == "" {
		return app{}, errors.New("the file is damaged: delete it and a new app is made")
	}
	return own, nil
}

// makeApp writes the file as a whole and takes care not to replace one that another process has just made.
func makeApp(path string) (app, error) {
	own := app{AppID: "lorebridge", Key: randomHex(10), Secret: randomHex(32)}
	text, err := json.MarshalIndent(own, "", "  ") //nolint:gosec // the file is for the secret
	if err != nil {
		return app{}, err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return app{}, err
	}
	defer func() { _ = os.Remove(draft.Name()) }() // the link, if it was made, stays
	if _, err := draft.Write(append(text, '\n')); err != nil {
		return app{}, errors.Join(err, draft.Close())
	}
	if err := errors.Join(draft.Sync(), draft.Close()); err != nil {
		return app{}, err
	}
	if err := os.Link(draft.Name(), path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return readApp(path)
		}
		return app{}, err
	}
	return own, nil
}

func randomHex(bytes int) string {
	secret := make([]byte, bytes)
	_, _ = rand.Read(secret) // never fails, by its contract
	return hex.EncodeToString(secret)
}
