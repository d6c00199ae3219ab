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

// Settings are the values that belong to the installation. They may be used concurrently.
type Settings struct{ client *ent.Client }

// NewSettings returns those of the client's database.
func NewSettings(client *ent.Client) Settings { return Settings{client} }

// Keep returns the value of key, and since when it is there. Where there is none, it keeps the one that first makes;
// of two that are made at once one is kept, and both callers get it.
func (s Settings) Keep(ctx context.Context, key string, first func() (string, error)) (value string, since time.Time, err error) {
	ctx = privacy.DecisionContext(ctx, privacy.Allow)
	kept, err := s.client.Setting.Query().Where(setting.Key(key)).Only(ctx)
	if ent.IsNotFound(err) {
		if value, err = first(); err != nil {
			return "", time.Time{}, err
		}
		err = s.client.Setting.Create().SetKey(key).SetValue(value).OnConflictColumns(setting.FieldKey).DoNothing().Exec(ctx)
		if err == nil || errors.Is(err, sql.ErrNoRows) { // the latter: somebody else's is there by now
			kept, err = s.client.Setting.Query().Where(setting.Key(key)).Only(ctx)
		}
	}
	if err != nil {
		return "", time.Time{}, fmt.Errorf("keep the setting %s: %w", key, err)
	}
	return kept.Value, kept.CreatedAt, nil
}

// Replace sets the value of key and returns the one before, which is empty if there was none. Only one caller at a
// time may replace a key.
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
