//go:build ignore

// Program compress writes a brotli version of each file of the app's build beside it, as NAME.br, if that saves
// enough. Run it from the project's root after each `npm run build`: `go run web/compress.go`. The same build gives
// the same bytes. Brotli at its best takes seconds, which is too long for a first request. A server without these
// files sends gzip.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"

	"github.com/andybalholm/brotli"
	"golang.org/x/sync/errgroup"
)

const (
	build     = "web/dist"
	extension = ".br"
	// minSize is the size in bytes below which a file is not compressed, because it fits into one packet anyway.
	minSize = 1 << 10
	// minSaving is the least saving, in percent of the file, for which a second version is kept.
	minSaving = 5
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var names []string
	err := filepath.WalkDir(build, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || entry.IsDir():
			return err
		case filepath.Ext(name) == extension:
			return os.Remove(name) // a left-over file would belong to another build
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range names {
		group.Go(func() error { return compress(name) })
	}
	return group.Wait()
}

func compress(name string) error {
	body, err := os.ReadFile(name)
	if err != nil || len(body) < minSize {
		return err
	}
	var compressed bytes.Buffer
	w := brotli.NewWriterOptions(&compressed, brotli.WriterOptions{Quality: brotli.BestCompression, LGWin: window(len(body))})
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("compress %s: %w", name, err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("compress %s: %w", name, err)
	}
	if compressed.Len()*100 > len(body)*(100-minSaving) {
		return nil
	}
	return os.WriteFile(name+extension, compressed.Bytes(), 0o644)
}

// window returns the binary logarithm of the smallest window that holds size bytes (RFC 7932, section 9.1), so that a
// browser needs as little memory as possible.
func window(size int) int {
	return min(max(bits.Len(uint(size+15)), 16), 24)
}
