package pusherserver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// Protocol versions that this server accepts. The versions 5 to 7 do not differ in the parts that it supports.
// pusher-js uses 7; the Java and .NET libraries use 5.
const (
	oldestProtocol = 5
	newestProtocol = 7
)

// serveSocket serves GET /app/{key}. A WebSocket client gets the upgrade first. A rejection comes after it, over the
// WebSocket.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	if !allowMethod(w, r, http.MethodGet) {
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		writeError(w, http.StatusUpgradeRequired, "this is a WebSocket endpoint for Pusher clients")
		return
	}
	if s.registry.isDraining() {
		writeError(w, http.StatusServiceUnavailable, errDraining.Error())
		return
	}
	socket, source, err := s.upgrade(w, r)
	if err != nil {
		s.config.Logger.DebugContext(r.Context(), "pusher upgrade failed", "error", err)
		return
	}
	a, code, reason := s.admit(r)
	if code != 0 {
		s.reject(socket, source, 0, code, reason)
		return
	}
	switch err := s.registry.enter(newConnection(s, a, socket, source), s.newSocketID); {
	case errors.Is(err, errFull):
		delay := time.Duration(s.config.Uint64() % uint64(maxRejectionDelay))
		s.reject(socket, source, delay, codeOverCapacity, err.Error())
	case err != nil:
		// The shutdown began after isDraining. pusher-js treats a lost socket as the 4100 that the others get.
		socket.Close()
	}
}

// admit returns the app that r names. If r cannot be served, it returns a close code, which is not zero, and a reason.
func (s *Server) admit(r *http.Request) (*app, ws.StatusCode, string) {
	key := r.PathValue("key")
	if key == "" {
		return nil, codePathNotFound, "path not found, expected /app/{key}"
	}
	a, ok := s.appsByKey[key]
	if !ok {
		return nil, codeUnknownApp, "no app has this key"
	}
	code, reason := checkProtocol(r.URL.Query().Get("protocol"))
	return a, code, reason
}

// upgrade returns the socket and the reader to use, because the client may have sent its first frames already.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) (net.Conn, io.Reader, error) {
	socket, buffered, _, err := ws.HTTPUpgrader{Timeout: s.config.WriteTimeout}.Upgrade(r, w)
	if err != nil {
		if socket != nil {
			socket.Close()
		}
		return nil, nil, err
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered()) // cannot fail: it asks for what is there
	if len(early) == 0 {
		return socket, socket, nil
	}
	// The clone frees the buffers of net/http, which are 8 KiB.
	return socket, io.MultiReader(bytes.NewReader(bytes.Clone(early)), socket), nil
}

// reject closes socket with code after delay. If there are MaxRefused rejections already, it closes socket at once.
func (s *Server) reject(socket net.Conn, source io.Reader, delay time.Duration, code ws.StatusCode, reason string) {
	s.counters.rejected.Add(1)
	j := &rejection{registry: s.registry, socket: socket, source: source, delay: delay, code: code, reason: reason}
	if !s.registry.reject(j) {
		socket.Close()
	}
}

// checkProtocol returns a close code and a reason, or a zero code if this server accepts the version.
func checkProtocol(version string) (ws.StatusCode, string) {
	if version == "" {
		return codeMissingProtocol, "query parameter protocol is missing"
	}
	number, err := strconv.Atoi(version)
	switch {
	case err != nil:
		return codeBadProtocolVersion, "query parameter protocol must be a number"
	case number < oldestProtocol || number > newestProtocol:
		return codeUnsupportedProtocol, "protocol versions 5 to 7 are supported"
	}
	return 0, ""
}

// newSocketID returns 64 unpredictable bits in the form that the client libraries check. A stranger who guessed the id
// could get a signature for it.
func (s *Server) newSocketID() string {
	n := s.config.Uint64()
	return strconv.FormatUint(n>>32, 10) + "." + strconv.FormatUint(n&(1<<32-1), 10)
}
