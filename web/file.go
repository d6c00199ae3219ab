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

// minCompressed is the size, in bytes, below which a text is sent as it is: it fits into one packet either way.
const minCompressed = 1 << 10

// brotliExtension is what the name of a file of the build ends with that is another one, compressed: it has no
// address of its own.
const brotliExtension = ".br"

// format is how a file of some extension is served.
type format struct {
	contentType string
	text        bool // worth compressing, where the build has not done so
}

// formats are listed here, and not asked of the machine, whose own list differs from the next one's.
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

// file is one of the build. Its bytes stay where they are, in the binary; only what is compressed here is kept.
type file struct {
	format
	build fs.FS
	name  string
	// encoded has, by its coding, what makes each representation once, when it is first asked for.
	encoded map[string]func() (representation, error)
}

// representation is a file in one encoding; without an ETag there is none.
type representation struct {
	encoding string // as Content-Encoding names it, where it does
	etag     string
	size     int
	// body is nil where it is to be read from the build, by its name there.
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

// brotli is what compress.go has made, if it has: it takes too long to be made here.
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

// gzip returns no representation where compressing is not worth it.
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
	w := gzip.NewWriter(&buffer) // its best takes twice the time, for 0.2 % of the size
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(buffer.Bytes()), nil // it is kept, and the buffer has room to spare
}

// etagOf is a strong validator: equal for equal bytes alone.
func etagOf(body []byte) string {
	hash := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(hash[:16]) + `"`
}

// matches says whether an If-None-Match has the etag (RFC 9110, section 13.1.2: compared weakly).
func matches(ifNoneMatch []string, etag string) bool {
	for member := range strings.SplitSeq(strings.Join(ifNoneMatch, ","), ",") {
		member = strings.TrimSpace(member)
		if member == "*" || strings.TrimPrefix(member, "W/") == etag {
			return true
		}
	}
	return false
}
