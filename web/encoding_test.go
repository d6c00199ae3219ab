package web_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/andybalholm/brotli"

	"lorebridge/web"
)

func TestTheEncodingIsTheOneTheClientPrefers(t *testing.T) {
	t.Parallel()
	h := build(t)
	// The results for a build with brotli files, and for one without.
	for accept, want := range map[string]struct{ with, without string }{
		"gzip":                                {"gzip", "gzip"},
		"x-gzip":                              {"gzip", "gzip"},
		"GZIP":                                {"gzip", "gzip"},
		"br":                                  {"br", ""},
		"BR":                                  {"br", ""},
		"gzip, deflate, br, zstd":             {"br", "gzip"},
		"br;q=0.5, gzip;q=0.5":                {"br", "gzip"},
		"gzip;q=0.5, br;q=0.5, identity":      {"", ""},
		"gzip;q=0.1, *":                       {"br", "gzip"},
		"br, gzip;q=0.1":                      {"br", "gzip"},
		"br;q=0.1, gzip":                      {"gzip", "gzip"},
		"br;q=0.1, gzip;q=0, identity;q=0.05": {"br", ""},
		"br, gzip;q=0.1, identity;q=0.5":      {"br", ""},
		"br;q=0, *":                           {"gzip", "gzip"},
		"br;q=2, gzip":                        {"gzip", "gzip"},
		"*":                                   {"br", "gzip"},
		"*;q=0.1":                             {"br", "gzip"},
		"gzip;q=0.5, identity;q=0.5":          {"gzip", "gzip"},
		"gzip, identity;q=0":                  {"gzip", "gzip"},
		"gzip, *;q=0":                         {"gzip", "gzip"},
		"identity;q=0, *":                     {"br", "gzip"},
		"gzip;q=1.000":                        {"gzip", "gzip"},
		"":                                    {"", ""},
		"identity":                            {"", ""},
		"gzip;q=0":                            {"", ""},
		"gzip; q=0.0, *":                      {"br", ""},
		"gzip;q=0.5, identity":                {"", ""},
		"gzip;q=0.4, identity;q=0.5":          {"", ""},
		"gzip;q=2":                            {"", ""},
		"gzip;q=-1":                           {"", ""},
		"gzip;q=NaN":                          {"", ""},
		"gzip;q=lots":                         {"", ""},
		"gzipped":                             {"", ""},
		"brotli":                              {"", ""},
		"*;q=0, identity":                     {"", ""},
		"identity;q=0.1, *;q=0":               {"", ""},
		"identity;q=0":                        {"406", "406"},
		"*;q=0":                               {"406", "406"},
		"gzip;q=0, identity;q=0":              {"406", "406"},
		"br, identity;q=0, gzip;q=0.000":      {"br", "406"},
		"br, *;q=0":                           {"br", "406"},
		"br;q=0, identity;q=0":                {"406", "406"},
	} {
		for path, file := range map[string]struct{ text, want string }{
			"/assets/app.css": {"a{}" + long, want.with},
			"/assets/app.js":  {long, want.without},
		} {
			response := send(t, h, http.MethodGet, path, "Accept-Encoding", accept)
			if vary := response.Header.Values("Vary"); !slices.Contains(vary, "Accept-Encoding") {
				t.Errorf("%s, Accept-Encoding: %s: the answer varies with %q", path, accept, vary)
			}
			got, text := decoded(t, response)
			if response.StatusCode != http.StatusOK {
				got, text = response.Status[:3], file.text
			}
			if got != file.want || text != file.text {
				t.Errorf("%s, Accept-Encoding: %s is answered with %q and %d bytes, want %q", path, accept, got, len(text), file.want)
			}
		}
	}
}

// decoded returns the encoding of a response and its decoded text.
func decoded(t *testing.T, response *http.Response) (encoding, text string) {
	t.Helper()
	encoding = response.Header.Get("Content-Encoding")
	body := io.Reader(response.Body)
	switch encoding {
	case "br":
		body = brotli.NewReader(body)
	case "gzip":
		r, err := gzip.NewReader(body)
		must(t, err)
		body = r
	}
	decoded, err := io.ReadAll(body)
	if err != nil {
		t.Errorf("unpack what is encoded with %q: %v", encoding, err)
	}
	return encoding, string(decoded)
}

func TestWithoutAnAcceptEncodingNothingIsEncoded(t *testing.T) {
	t.Parallel()
	if response := send(t, build(t), http.MethodGet, "/assets/app.js"); response.Header.Get("Content-Encoding") != "" || bodyOf(t, response) != long {
		t.Errorf("it is answered %v", response.Header)
	}
}

func TestOnlyWhatGetsSmallerIsCompressed(t *testing.T) {
	t.Parallel()
	h := build(t)
	for path, want := range map[string]string{
		"/":                       "gzip",
		"/assets/app.css":         "gzip",
		"/favicon.svg":            "", // small
		"/assets/noise.js":        "",
		"/assets/font.woff2":      "", // compressed by its format
		"/assets/unknown.strange": "",
	} {
		if got := send(t, h, http.MethodGet, path, "Accept-Encoding", "gzip").Header.Get("Content-Encoding"); got != want {
			t.Errorf("%s is encoded with %q, want %q", path, got, want)
		}
	}
}

func TestAClientThatHasTheBytesGetsA304(t *testing.T) {
	t.Parallel()
	h := build(t)
	for path, want := range map[string]int{ // the number of its encodings
		"/": 2, "/knowledge": 2, "/playground": 2, "/assets/app.js": 2, "/assets/app.css": 3, "/assets/font.woff2": 1,
	} {
		etags := make(map[string]bool)
		for _, encoding := range []string{"br", "gzip", "identity"} {
			ask := func(header ...string) *http.Response {
				return send(t, h, http.MethodGet, path, append(header, "Accept", navigation, "Accept-Encoding", encoding)...)
			}
			first := ask()
			etag := first.Header.Get("ETag")
			etags[etag] = true
			if first.StatusCode != http.StatusOK || len(etag) < 20 || etag[0] != '"' || first.Header.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s is %d with %v", path, first.StatusCode, first.Header)
			}
			for _, had := range []string{etag, "W/" + etag, `"other", ` + etag, `"other" ,W/` + etag + ` , "third"`, "*"} {
				again := ask("If-None-Match", had)
				if again.StatusCode != http.StatusNotModified || bodyOf(t, again) != "" {
					t.Errorf("%s, had %s: %d", path, had, again.StatusCode)
				}
				for _, name := range []string{"ETag", "Vary", "Cache-Control", "Content-Security-Policy"} {
					if got, want := again.Header.Get(name), first.Header.Get(name); got != want {
						t.Errorf("%s: %s is %q in the 304, %q before", path, name, got, want)
					}
				}
				for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding"} {
					if got := again.Header.Get(name); got != "" {
						t.Errorf("%s: the 304 has %s: %s", path, name, got)
					}
				}
			}
			for _, had := range []string{"", `"other"`, etag[1:], etag[1 : len(etag)-1], "W/", `""`} {
				if again := ask("If-None-Match", had); again.StatusCode != http.StatusOK {
					t.Errorf("%s, had %s: %d", path, had, again.StatusCode)
				}
			}
		}
		if len(etags) != want {
			t.Errorf("%s: %d encodings have the ETags %v", path, want, etags)
		}
	}
}

func TestOtherBytesHaveAnotherETag(t *testing.T) {
	t.Parallel()
	changed := aBuild()
	changed["assets/app.js"].Data = []byte(long + " ")
	for _, encoding := range []string{"gzip", "identity"} {
		before := send(t, build(t), http.MethodGet, "/assets/app.js", "Accept-Encoding", encoding)
		after := send(t, build(t, func(c *web.Config) { c.Build = changed }), http.MethodGet, "/assets/app.js", "Accept-Encoding", encoding,
			"If-None-Match", before.Header.Get("ETag"))
		if after.StatusCode != http.StatusOK || after.Header.Get("ETag") == before.Header.Get("ETag") {
			t.Errorf("%s: %d %s", encoding, after.StatusCode, after.Header.Get("ETag"))
		}
	}
}
