package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// profilerSource is an additional file of the server's package main, only for the server that bench builds (see
// profilerOverlay). It listens on a UNIX socket that the environment names. It takes a CPU profile until the client
// has finished sending, and then sends the profile.
//
//go:embed profiler.go.txt
var profilerSource []byte

// profilerSocket is the environment variable with the path of the socket.
const profilerSocket = "BENCH_PROFILER"

// profileTimeout limits the time until a profile arrives.
const profileTimeout = 30 * time.Second

// profilerOverlay returns the flags for go build that add profilerSource to the server. It keeps the necessary files
// in dir. So the server itself needs no endpoint for profiles, which strangers could find.
func profilerOverlay(ctx context.Context, dir string) ([]string, error) {
	output, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", serverPackage).Output() //nolint:gosec // constants
	if err != nil {
		return nil, fmt.Errorf("find the server's source: %w", err)
	}
	source, overlay := filepath.Join(dir, "profiler.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(strings.TrimSpace(string(output)), "bench_profiler.go"): source,
	}})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.WriteFile(source, profilerSource, 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return nil, err
	}
	return []string{"-overlay", overlay}, nil
}

// profiler takes CPU profiles of a server built with profilerOverlay. A nil profiler takes none.
type profiler struct {
	socket string // path of the server's socket
	path   string // the file to write
}

// start begins a profile; stop ends it and writes it to the profiler's file.
func (p *profiler) start(ctx context.Context) (stop func() error, err error) {
	if p == nil {
		return func() error { return nil }, nil
	}
	conn, err := (&net.Dialer{Timeout: answerTimeout}).DialContext(ctx, "unix", p.socket)
	if err != nil {
		return nil, fmt.Errorf("profile the server: %w", err)
	}
	release := context.AfterFunc(ctx, func() { conn.Close() })
	return func() error {
		defer conn.Close()
		defer release()
		conn.SetDeadline(time.Now().Add(profileTimeout))
		var profile bytes.Buffer
		err := conn.(*net.UnixConn).CloseWrite()
		if err == nil {
			_, err = io.Copy(&profile, conn)
		}
		if err == nil && profile.Len() == 0 {
			err = errors.New("it sent none")
		}
		if err != nil {
			return fmt.Errorf("profile the server: %w", err)
		}
		return os.WriteFile(p.path, profile.Bytes(), 0o600)
	}, nil
}
