package web_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"testing"

	"lorebridge/web"
)

func TestTheEncodingIsTheOneTheClientLikesBest(t *testing.T) {
	t.Parallel()
	h := build(t)
	for accept, want := range map[string]string{
		"gzip":                           "gzip",
		"x-gzip":                         "gzip",
		"GZIP":                           "gzip",
		"gzip, deflate, br, zstd":        "gzip",
		"br, gzip;q=0.1":                 "gzip",
		"*":                              "gzip",
		"*;q=0.1":                        "gzip",
		"gzip;q=0.5, identity;q=0.5":     "gzip",
		"gzip, identity;q=0":             "gzip",
		"gzip, *;q=0":                    "gzip",
		"identity;q=0, *":                "gzip",
		"gzip;q=1.000":                   "gzip",
		"":                               "",
		"identity":                       "",
		"br":                             "",
		"gzip;q=0":                       "",
		"gzip; q=0.0, *":                 "",
		"gzip;q=0.5, identity":           "",
		"gzip;q=0.4, identity;q=0.5":     "",
		"gzip;q=2":                       "",
		"gzip;q=-1":                      "",
		"gzip;q=NaN":                     "",
		"gzip;q=lots":                    "",
		"gzipped":                        "",
		"*;q=0, identity":                "",
		"identity;q=0.1, *;q=0":          "",
		"identity;q=0":                   "406",
		"*;q=0":                          "406",
		"gzip;q=0, identity;q=0":         "406",
		"br, identity;q=0, gzip;q=0.000": "406",
	} {
		response := send(t, h, http.MethodGet, "/assets/app.js", "Accept-Encoding", accept)
		got := response.Header.Get("Content-Encoding")
		if response.StatusCode != http.StatusOK {
			got = response.Status[:3]
		}
		if got != want {
			t.Errorf("Accept-Encoding: %s is answered with %q, want %q", accept, got, want)
		}
		if vary := response.Header.Values("Vary"); !slices.Contains(vary, "Accept-Encoding") {
			t.Errorf("Accept-Encoding: %s: the answer varies with %q", accept, vary)
		}
		var body io.Reader = response.Body
		if got == "gzip" {
			r, err := gzip.NewReader(body)
			must(t, err)
			body = r
		}
		if text, err := io.ReadAll(body); err != nil || got != "406" && string(text) != long {
			t.Errorf("Accept-Encoding: %s has %d bytes, %v", accept, len(text), err)
		}
	}
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

func TestWhoHasTheBytesIsToldSoAndNoMore(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, path := range []string{"/", "/knowledge", "/playground", "/assets/app.js", "/assets/font.woff2"} {
		etags := make(map[string]string)
		for _, encoding := range []string{"gzip", "identity"} {
			ask := func(header ...string) *http.Response {
				return send(t, h, http.MethodGet, path, append(header, "Accept", navigation, "Accept-Encoding", encoding)...)
			}
			first := ask()
			etag := first.Header.Get("ETag")
			etags[encoding] = etag
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
		encoded := path != "/assets/font.woff2"
		if differ := etags["gzip"] != etags["identity"]; differ != encoded {
			t.Errorf("%s: two encodings have the ETags %v", path, etags)
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
