package web_test

import (
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"lorebridge/web"
)

// These tests hold for any build of the app. They read the embedded one.

var (
	reference = regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	script    = regexp.MustCompile(`(?i)<script[^>]*>[^<]*`)
	fromFile  = regexp.MustCompile(`(?i)^<script[^>]*\ssrc="[^"]+"[^>]*>\s*$`)
	inline    = regexp.MustCompile(`(?i)<style|\sstyle\s*=|\son[a-z]+\s*=|javascript:`)
)

// inlineIn returns the first thing in a page that the app's policy blocks, or an empty text.
func inlineIn(page string) string {
	for _, element := range script.FindAllString(page, -1) {
		if !fromFile.MatchString(element) {
			return element
		}
	}
	return inline.FindString(page)
}

func TestThePagesOfTheBuildReferToWhatIsThereAndHaveNothingInline(t *testing.T) {
	t.Parallel()
	h, err := web.New(web.Config{Playground: true})
	must(t, err)
	for _, page := range []string{"/", "/playground"} {
		text := bodyOf(t, send(t, h, http.MethodGet, page))
		if found := inlineIn(text); found != "" && !(page == "/playground" && strings.HasPrefix(found, "<style")) {
			t.Errorf("%s has something inline, which its policy blocks: %s", page, found)
		}
		references := reference.FindAllStringSubmatch(text, -1)
		if len(references) == 0 {
			t.Errorf("%s refers to nothing", page)
		}
		for _, match := range references {
			path := match[1]
			if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
				t.Errorf("%s refers to %s: it must begin with one slash, because routes have several segments and the internet may be away", page, path)
			} else if response := send(t, h, http.MethodGet, path); response.StatusCode != http.StatusOK {
				t.Errorf("%s refers to %s, which is answered %d", page, path, response.StatusCode)
			}
		}
	}
}

func TestEachFileOfTheBuildIsServedWithATypeOfItsOwn(t *testing.T) {
	t.Parallel()
	h, err := web.New(web.Config{Playground: true})
	must(t, err)
	build := os.DirFS("dist")
	must(t, fs.WalkDir(build, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, ".br") {
			return err
		}
		path := addressOf(name)
		want, err := fs.ReadFile(build, name)
		must(t, err)
		response := send(t, h, http.MethodGet, path)
		if response.StatusCode != http.StatusOK || bodyOf(t, response) != string(want) {
			t.Errorf("%s is answered %d", path, response.StatusCode)
		}
		if got := response.Header.Get("Content-Type"); got == "application/octet-stream" {
			t.Errorf("%s has no type: add its extension to the formats", name)
		}
		return nil
	}))
}

func TestEachBrotliOfTheBuildIsOfItsFileAndServedForThatAlone(t *testing.T) {
	t.Parallel()
	h, err := web.New(web.Config{Playground: true})
	must(t, err)
	build := os.DirFS("dist")
	must(t, fs.WalkDir(build, ".", func(name string, _ fs.DirEntry, err error) error {
		of, compressed := strings.CutSuffix(name, ".br")
		if err != nil || !compressed {
			return err
		}
		want, err := fs.ReadFile(build, of)
		must(t, err)
		response := send(t, h, http.MethodGet, addressOf(of), "Accept-Encoding", "br")
		if encoding, got := decoded(t, response); encoding != "br" || got != string(want) {
			t.Errorf("%s is encoded with %q, and unpacks to other bytes than it has: run `go run web/compress.go`", of, encoding)
		}
		if response := send(t, h, http.MethodGet, "/"+name, "Accept", navigation); response.StatusCode != http.StatusNotFound {
			t.Errorf("/%s is answered %d", name, response.StatusCode)
		}
		return nil
	}))
}

func addressOf(name string) string {
	switch name {
	case "index.html":
		return "/"
	case "playground.html":
		return "/playground"
	default:
		return "/" + name
	}
}

func TestWhatIsInlineIsFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`<script type="module" crossorigin src="/assets/app.js"></script>`: false,
		`<script src="/theme.js"></script><div id="root"></div>`:           false,
		`<script>alert(1)</script>`:                                        true,
		`<script src="/a.js"></script><script>alert(1)</script>`:           true,
		`<script type="module">import "/x.js"</script>`:                    true,
		`<style>a{}</style>`:                                               true,
		`<body style="color: red">`:                                        true,
		`<body onload="x()">`:                                              true,
		`<a href="javascript:x()">`:                                        true,
	} {
		if got := inlineIn(text); (got != "") != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}
