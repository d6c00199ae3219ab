package realtime

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// app is the credentials of an app of the embedded server, as the setting appSetting keeps them.
type app struct {
	AppID  string `json:"appId"`
	Key    string `json:"key"`
	Secret string `json:"secret"`
}

const appSetting = "embedded_app"

// Settings keeps what belongs to the installation; database.Settings does.
type Settings interface {
	// Keep returns the value of key, and since when it is there; where there is none it keeps the one that first makes.
	Keep(ctx context.Context, key string, first func() (string, error)) (value string, since time.Time, err error)
}

// WithOwnApp returns c with the credentials of an app of its own, made at the first start and kept in settings.
// Browsers that are connected stay valid over a restart, and over a move of the database. formerFile is where an
// earlier version kept the credentials: they are read from it once, and then it is removed, because it holds a
// secret.
func (c Config) WithOwnApp(ctx context.Context, settings Settings, formerFile string, log *slog.Logger) (Config, error) {
	former, fileErr := readApp(formerFile)
	text, _, err := settings.Keep(ctx, appSetting, func() (string, error) {
		switch {
		case fileErr == nil:
			return former.text()
		case errors.Is(fileErr, fs.ErrNotExist):
			return app{AppID: "lorebridge", Key: randomHex(10), Secret: randomHex(32)}.text()
		}
		return "", fmt.Errorf("read %s: %w", formerFile, fileErr)
	})
	if err != nil {
		return Config{}, fmt.Errorf("keep the credentials of the embedded Pusher server: %w", err)
	}
	own, err := parseApp([]byte(text))
	if err != nil {
		return Config{}, fmt.Errorf("read the setting %s: %w: delete its row and a new app is made", appSetting, err)
	}
	if !errors.Is(fileErr, fs.ErrNotExist) {
		retire(ctx, formerFile, own == former, log)
	}
	c.AppID, c.Key, c.Secret = own.AppID, own.Key, own.Secret
	return c, nil
}

// retire removes the file that had the credentials before, if it has the same.
func retire(ctx context.Context, path string, same bool, log *slog.Logger) {
	log = log.With(slog.String("file", path))
	if !same {
		log.WarnContext(ctx, "the credentials of the embedded Pusher server are in the database; "+
			"this file has others, which nothing reads: delete it")
		return
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.WarnContext(ctx, "others could read the secret of the embedded Pusher server: delete the row "+appSetting+
			" of the table settings and start again, and a new one is made", slog.String("mode", info.Mode().String()))
	}
	if err := os.Remove(path); err != nil {
		log.WarnContext(ctx, "the credentials of the embedded Pusher server are in the database now: delete their file", slog.Any("error", err))
		return
	}
	log.InfoContext(ctx, "the credentials of the embedded Pusher server are in the database now, and their file was deleted")
}

func readApp(path string) (app, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return app{}, err
	}
	own, err := parseApp(text)
	if err != nil {
		return app{}, fmt.Errorf("%w: delete the file and a new app is made", err)
	}
	return own, nil
}

func parseApp(text []byte) (own app, err error) {
	if err := json.Unmarshal(text, &own); err != nil || !appID.MatchString(own.AppID) || !appID.MatchString(own.Key) || own.Secret == "" {
		return app{}, errors.New("the credentials are damaged")
	}
	return own, nil
}

func (a app) text() (string, error) {
	text, err := json.Marshal(a) //nolint:gosec // the setting is for the secret
	return string(text), err
}

func randomHex(bytes int) string {
	secret := make([]byte, bytes)
	_, _ = rand.Read(secret) // never fails, by its contract
	return hex.EncodeToString(secret)
}
