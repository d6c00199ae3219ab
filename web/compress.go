//go:build ignore

// Program compress writes beside each file of the app's build what brotli makes of it at its best, as NAME.br, where
// that is worth it: run from the project's root after each `npm run build`, `go run web/compress.go`. The same build
// gives the same bytes. That takes seconds, too long for a first request; a server whose build has none of it sends
// gzip.
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
	// minSize is the size, in bytes, below which a file is sent as it is: it fits into one packet either way.
	minSize = 1 << 10
	// minSaving is the part of a file, in percent, that is worth keeping it twice.
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
			return os.Remove(name) // before anything is written: what is left behind would be of another build
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

// window is the binary logarithm of the least window that holds so many bytes (RFC 7932, section 9.1): all that a
// browser has to keep.
func window(size int) int {
	return min(max(bits.Len(uint(size+15)), 16), 24)
}
