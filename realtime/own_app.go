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

// App is the credentials of one app. In JSON it is the value of the setting appSetting.
type App struct {
	ID     string `json:"appId"`
	Key    string `json:"key"`
	Secret string `json:"secret"`
}

const appSetting = "embedded_app"

// Settings stores values of the installation. database.Settings implements it.
type Settings interface {
	// Keep returns the value of key, and the time since which it exists. If there is none, it stores what first
	// returns.
	Keep(ctx context.Context, key string, first func() (string, error)) (value string, since time.Time, err error)
}

// OwnApp returns the app of the embedded server. It makes one at the first start and keeps it in settings. So browsers
// can use the same key after a restart, and after a move of the database. formerFile is the path at which an earlier
// version kept the app. OwnApp reads it once and then removes it, because it holds a secret. It returns an error with a
// hint if the setting or the file is damaged, and changes neither. It is called once, before the server starts.
func OwnApp(ctx context.Context, settings Settings, formerFile string, log *slog.Logger) (App, error) {
	former, fileErr := readApp(formerFile)
	text, _, err := settings.Keep(ctx, appSetting, func() (string, error) {
		switch {
		case fileErr == nil:
			return former.text()
		case errors.Is(fileErr, fs.ErrNotExist):
			return App{ID: "lorebridge", Key: randomHex(10), Secret: randomHex(32)}.text()
		}
		return "", fmt.Errorf("read %s: %w", formerFile, fileErr)
	})
	if err != nil {
		return App{}, fmt.Errorf("keep the credentials of the embedded Pusher server: %w", err)
	}
	own, err := parseApp([]byte(text))
	if err != nil {
		return App{}, fmt.Errorf("read the setting %s: %w: delete its row and a new app is made", appSetting, err)
	}
	if !errors.Is(fileErr, fs.ErrNotExist) {
		retire(ctx, formerFile, own == former, log)
	}
	return own, nil
}

// retire removes the file of an earlier version if it has the same credentials, and logs what it did.
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

func readApp(path string) (App, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return App{}, err
	}
	own, err := parseApp(text)
	if err != nil {
		return App{}, fmt.Errorf("%w: delete the file and a new app is made", err)
	}
	return own, nil
}

func parseApp(text []byte) (own App, err error) {
	if err := json.Unmarshal(text, &own); err != nil || !appID.MatchString(own.ID) || !appID.MatchString(own.Key) || own.Secret == "" {
		return App{}, errors.New("the credentials are damaged")
	}
	return own, nil
}

func (a App) text() (string, error) {
	text, err := json.Marshal(a) //nolint:gosec // the setting keeps the secret
	return string(text), err
}

func randomHex(bytes int) string {
	secret := make([]byte, bytes)
	_, _ = rand.Read(secret) // never fails, by its contract
	return hex.EncodeToString(secret)
}
