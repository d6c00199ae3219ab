package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/privacy"
	"lorebridge/ent/setting"
)

// Settings are the values of the installation. They may be used concurrently.
type Settings struct{ client *ent.Client }

// NewSettings returns the settings in the client's database.
func NewSettings(client *ent.Client) Settings { return Settings{client} }

// Keep returns the value of key and the time since which it exists. If there is none, it stores what first returns.
// Of two values that are made at once one is stored, and both callers get it.
func (s Settings) Keep(ctx context.Context, key string, first func() (string, error)) (value string, since time.Time, err error) {
	ctx = privacy.DecisionContext(ctx, privacy.Allow)
	kept, err := s.client.Setting.Query().Where(setting.Key(key)).Only(ctx)
	if ent.IsNotFound(err) {
		if value, err = first(); err != nil {
			return "", time.Time{}, err
		}
		err = s.client.Setting.Create().SetKey(key).SetValue(value).OnConflictColumns(setting.FieldKey).DoNothing().Exec(ctx)
		if err == nil || errors.Is(err, sql.ErrNoRows) { // ErrNoRows: another caller has stored one meanwhile
			kept, err = s.client.Setting.Query().Where(setting.Key(key)).Only(ctx)
		}
	}
	if err != nil {
		return "", time.Time{}, fmt.Errorf("keep the setting %s: %w", key, err)
	}
	return kept.Value, kept.CreatedAt, nil
}

// Replace sets the value of key and returns the previous one, which is empty if there was none. Concurrent calls for
// one key are not allowed.
func (s Settings) Replace(ctx context.Context, key, value string) (before string, err error) {
	ctx = privacy.DecisionContext(ctx, privacy.Allow)
	kept, err := s.client.Setting.Query().Where(setting.Key(key)).Only(ctx)
	switch {
	case ent.IsNotFound(err):
		err = s.client.Setting.Create().SetKey(key).SetValue(value).Exec(ctx)
	case err == nil && kept.Value != value:
		before = kept.Value
		err = kept.Update().SetValue(value).Exec(ctx)
	case err == nil:
		before = value
	}
	if err != nil {
		return "", fmt.Errorf("replace the setting %s: %w", key, err)
	}
	return before, nil
}
