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
	// noticeChannel is public. Its name depends on no setting, because pages listen on it that only know the settings
	// of before.
	noticeChannel = "lorebridge"
	noticeEvent   = "realtime-changed"
	// noticeTimeout is how long the notice may hold up the end of the server.
	noticeTimeout = 2 * time.Second
)

// Announce asks all pages to read again how they connect. Call it when the server stops, because the next one may use
// another Pusher, which does not reach them, and when the server has started with another Version. With the embedded
// server it does nothing: that one closes its sockets.
func (p *People) Announce(ctx context.Context) error {
	if p.config.Embedded() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	return p.pusher.Trigger(ctx, forEvents, pusherapi.Event{Channel: noticeChannel, Name: noticeEvent, Data: "{}"})
}

// Version is a short text that differs if pages have to connect in another way. publicURL is how browsers reach the
// server. Nothing secret can be found out from it.
func (p *People) Version(publicURL string) string {
	c := p.config
	isEncrypted := c.MasterKey != ""
	c.Secret, c.MasterKey = "", "" // pages get what follows from these with each authorization
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v %t %s", c, isEncrypted, publicURL))
	return hex.EncodeToString(sum[:8])
}
