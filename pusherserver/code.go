package pusherserver

import "github.com/gobwas/ws"

// Close codes of the Pusher Channels protocol ("Error Codes" in its document). pusher-js acts by their range:
// 4000 to 4099 ends the connection for good, 4100 to 4199 reconnects after a second, 4200 to 4299 at once.
const (
	codeUnknownApp          ws.StatusCode = 4001
	codePathNotFound        ws.StatusCode = 4005
	codeBadProtocolVersion  ws.StatusCode = 4006
	codeUnsupportedProtocol ws.StatusCode = 4007
	codeMissingProtocol     ws.StatusCode = 4008
	codeUnauthorized        ws.StatusCode = 4009
	codeOverCapacity        ws.StatusCode = 4100
	codeReconnect           ws.StatusCode = 4200
	codePongMissing         ws.StatusCode = 4201
)
