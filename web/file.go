package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"
)

// minCompressed is the size in bytes below which a text is not compressed, because it fits into one packet anyway.
const minCompressed = 1 << 10

// brotliExtension ends the name of a compressed version of another file. It has no address of its own.
const brotliExtension = ".br"

// format is how files of an extension are served.
type format struct {
	contentType string
	text        bool // compress it if the build has not done so
}

// formats is listed here because the list of the operating system differs between machines.
var formats = map[string]format{
	".css":         {"text/css; charset=utf-8", true},
	".html":        {"text/html; charset=utf-8", true},
	".ico":         {"image/x-icon", false},
	".jpg":         {"image/jpeg", false},
	".js":          {"text/javascript; charset=utf-8", true},
	".json":        {"application/json", true},
	".map":         {"application/json", true},
	".mjs":         {"text/javascript; charset=utf-8", true},
	".png":         {"image/png", false},
	".svg":         {"image/svg+xml; charset=utf-8", true},
	".ttf":         {"font/ttf", true},
	".txt":         {"text/plain; charset=utf-8", true},
	".wasm":        {"application/wasm", true},
	".webmanifest": {"application/manifest+json", true},
	".webp":        {"image/webp", false},
	".woff":        {"font/woff", false},
	".woff2":       {"font/woff2", false},
}

func formatOf(name string) format {
	if f, ok := formats[path.Ext(name)]; ok {
		return f
	}
	return format{contentType: "application/octet-stream"}
}

// file is a file of the build. Its bytes stay in the binary; only versions that are compressed here are kept.
type file struct {
	format
	build fs.FS
	name  string
	// encoded has, by coding, a function that makes the representation once, at the first request.
	encoded map[string]func() (representation, error)
}

// representation is a file in one encoding. Without an ETag there is none.
type representation struct {
	encoding string // for Content-Encoding; empty for identity
	etag     string
	size     int
	// body is nil if it is read from the build by its name there.
	body []byte
	name string
}

func newFile(build fs.FS, name string) *file {
	f := &file{format: formatOf(name), build: build, name: name}
	f.encoded = map[string]func() (representation, error){
		"br":       sync.OnceValues(f.brotli),
		"gzip":     sync.OnceValues(f.gzip),
		"identity": sync.OnceValues(f.identity),
	}
	return f
}

func (f *file) identity() (representation, error) {
	body, err := fs.ReadFile(f.build, f.name)
	if err != nil {
		return representation{}, err
	}
	return representation{etag: etagOf(body), size: len(body), name: f.name}, nil
}

// brotli returns the version that compress.go made, if there is one. Making it here would take too long.
func (f *file) brotli() (representation, error) {
	name := f.name + brotliExtension
	body, err := fs.ReadFile(f.build, name)
	if errors.Is(err, fs.ErrNotExist) {
		return representation{}, nil
	} else if err != nil {
		return representation{}, err
	}
	return representation{encoding: "br", etag: etagOf(body), size: len(body), name: name}, nil
}

// gzip returns no representation if compressing does not save enough.
func (f *file) gzip() (representation, error) {
	if !f.text {
		return representation{}, nil
	}
	body, err := fs.ReadFile(f.build, f.name)
	if err != nil || len(body) < minCompressed {
		return representation{}, err
	}
	compressed, err := compress(body)
	if err != nil || len(compressed) >= len(body) {
		return representation{}, err
	}
	return representation{encoding: "gzip", etag: etagOf(compressed), size: len(compressed), body: compressed}, nil
}

func compress(body []byte) ([]byte, error) {
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer) // the best level takes twice the time and saves 0.2 %
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(buffer.Bytes()), nil // a clone, because the buffer is larger than its content
}

// etagOf returns a strong validator, which is equal only for equal bytes.
func etagOf(body []byte) string {
	hash := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(hash[:16]) + `"`
}

// matches reports whether an If-None-Match contains the ETag (RFC 9110, section 13.1.2: compared weakly).
func matches(ifNoneMatch []string, etag string) bool {
	for member := range strings.SplitSeq(strings.Join(ifNoneMatch, ","), ",") {
		member = strings.TrimSpace(member)
		if member == "*" || strings.TrimPrefix(member, "W/") == etag {
			return true
		}
	}
	return false
}
