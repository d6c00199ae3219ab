package auth

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"
)

// Installation identifies this server by its database. It stays the same when the server is restarted or moved.
type Installation struct {
	ID string
	// Since is the time at which the installation got its ID. Before, all installations used the same cookie name.
	Since time.Time
}

// Settings stores values of the installation. database.Settings implements it.
type Settings interface {
	// Keep returns the value of key and the time since which it exists. If there is none, it stores what first
	// returns.
	Keep(ctx context.Context, key string, first func() (string, error)) (value string, since time.Time, err error)
}

// ReadInstallation returns the installation of these settings. It creates the ID at the first start.
func ReadInstallation(ctx context.Context, settings Settings) (i Installation, err error) {
	i.ID, i.Since, err = settings.Keep(ctx, "installation_id", func() (string, error) {
		var id [8]byte
		_, _ = rand.Read(id[:]) // never fails, by its contract
		return hex.EncodeToString(id[:]), nil
	})
	return i, err
}

// Cookie returns the name of this installation's session cookie. Browsers share cookies between the ports of a host,
// so two servers on one host need different names. Over TLS it begins with __Host-: no page of another host or over
// plain HTTP can set such a cookie (RFC 6265bis, 4.1.3.2).
func (i Installation) Cookie(tls bool) string {
	if tls {
		return "__Host-lorebridge_" + i.ID
	}
	return "lorebridge_" + i.ID
}
