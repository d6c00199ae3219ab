package auth

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"
)

// Installation is which server this is: one database, however often it is started or moved.
type Installation struct {
	ID string
	// Since is when it got its id. Before, its cookie had the same name as everybody's.
	Since time.Time
}

// Settings keeps what belongs to the installation; database.Settings does.
type Settings interface {
	// Keep returns the value of key, and since when it is there; where there is none it keeps the one that first makes.
	Keep(ctx context.Context, key string, first func() (string, error)) (value string, since time.Time, err error)
}

// ReadInstallation returns the installation that settings belong to, which gets its id at its first start.
func ReadInstallation(ctx context.Context, settings Settings) (i Installation, err error) {
	i.ID, i.Since, err = settings.Keep(ctx, "installation_id", func() (string, error) {
		var id [8]byte
		_, _ = rand.Read(id[:]) // never fails, by its contract
		return hex.EncodeToString(id[:]), nil
	})
	return i, err
}

// Cookie is the name of the cookie that carries a session to this installation. Cookies know no ports: two servers on
// one host must not have the same. Over TLS it begins with __Host-, which browsers let no page of another host or of
// plain HTTP set (RFC 6265bis, 4.1.3.2).
func (i Installation) Cookie(tls bool) string {
	if tls {
		return "__Host-lorebridge_" + i.ID
	}
	return "lorebridge_" + i.ID
}
