package realtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"lorebridge/pusherapi"
)

const (
	// noticeChannel is public. Its name depends on no setting, because pages with old settings listen on it.
	noticeChannel = "lorebridge"
	noticeEvent   = "realtime-changed"
	// noticeTimeout is how long the notice may delay the end of the server.
	noticeTimeout = 2 * time.Second
)

// Announce asks all open pages to read their settings again. Call it when the server stops, because the next one may
// use another Pusher, which does not reach these pages. Call it as well after a start with another Version. It does
// nothing with the embedded server, which closes its sockets. It returns within two seconds, with the errors of
// pusherapi.Client.Trigger.
func (p *People) Announce(ctx context.Context) error {
	if p.config.Embedded() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	return p.pusher.Trigger(ctx, forEvents, pusherapi.Event{Channel: noticeChannel, Name: noticeEvent, Data: "{}"})
}

// Version returns a short text that changes if pages have to connect with other settings. publicURL is the URL at which
// browsers reach the server. The text reveals no secret.
func (p *People) Version(publicURL string) string {
	c := p.config
	isEncrypted := c.MasterKey != ""
	c.Secret, c.MasterKey = "", "" // a page gets their signatures and keys with each authorization, so it needs no notice
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v %t %s", c, isEncrypted, publicURL))
	return hex.EncodeToString(sum[:8])
}
