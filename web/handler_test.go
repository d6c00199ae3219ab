package web_test

import (
	"compress/gzip"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"lorebridge/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const navigation = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

var (
	long  = strings.Repeat("export const colleague = 'asks';\n", 1000)
	noise = string(random(4 << 10))
)

func random(n int) []byte {
	bytes := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(bytes)
	return bytes
}

// aBuild returns a build with a file of each kind.
func aBuild() fstest.MapFS {
	build := fstest.MapFS{}
	for name, text := range map[string]string{
		"index.html":             "<title>app</title>" + long,
		"playground.html":        "<title>playground</title>" + long,
		"favicon.svg":            "<svg/>",
		"assets/app.js":          long,
		"assets/app.css":         "a{}" + long,
		"assets/app.css.br":      brotlied("a{}" + long),
		"assets/noise.js":        noise,
		"assets/font.woff2":      long, // not a real font
		"assets/unknown.strange": "?",
	} {
		build[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return build
}

func brotlied(text string) string {
	var compressed strings.Builder
	w := brotli.NewWriter(&compressed)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return compressed.String()
}

func build(t *testing.T, change ...func(*web.Config)) *web.Handler {
	t.Helper()
	c := web.Config{Build: aBuild(), Playground: true}
	for _, change := range change {
		change(&c)
	}
	h, err := web.New(c)
	must(t, err)
	return h
}

// send makes one request. header holds pairs of names and values.
func send(t *testing.T, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
	request.URL.Path = path
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return recorder.Result()
}

func bodyOf(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return string(body)
}

func TestEachPathIsAFileOrARouteOrAnothersOrNothing(t *testing.T) {
	t.Parallel()
	const (
		app        = "200 <title>app</title>"
		playground = "200 <title>playground</title>"
		script     = "200 export const"
		nothing    = "404 There is nothing"
		noFile     = "404 There is no such file"
	)
	h := build(t)
	for path, want := range map[string]string{
		"/":                             app,
		"/knowledge":                    app,
		"/knowledge/":                   app,
		"/requests/12884901889":         app,
		"/people/ada lovelace":          app,
		"/apple":                        app,
		"/application/x":                app,
		"/playgrounds":                  app,
		"/assets/app.js":                script,
		"/favicon.svg":                  "200 <svg/>",
		"/playground":                   playground,
		"/playground/":                  playground,
		"/playground/x":                 noFile,
		"/playground.html":              noFile,
		"/index.html":                   noFile,
		"/favicon.ico":                  noFile,
		"/assets":                       noFile,
		"/assets/":                      noFile,
		"/assets/app.css.br":            noFile,
		"/assets/gone.js":               noFile,
		"/assets/gone":                  noFile,
		"/assets/app.js/":               noFile,
		"/assets//app.js":               noFile,
		"/Assets/app.js":                noFile,
		"/knowledge/map.js":             noFile,
		"//":                            noFile,
		"//assets/app.js":               noFile,
		"//knowledge":                   noFile,
		"/.":                            noFile,
		"/..":                           noFile,
		"/../handler.go":                noFile,
		"/../../etc/passwd":             noFile,
		"/assets/../../dist/index.html": noFile,
		"/knowledge/..":                 noFile,
		"/x/../knowledge":               noFile,
		`/..\..\etc\passwd`:             noFile,
		"/assets/app.js\x00":            noFile,
		"/\xff":                         noFile,
		"":                              app, // a proxy sends this for http://host
		"/app":                          nothing,
		"/app/key":                      nothing,
		"/apps":                         nothing,
		"/apps/1/events":                nothing,
		"/graphql/":                     nothing,
		"/graphql/subscriptions":        nothing,
		"/pusher":                       nothing,
		"/pusher/auth/x":                nothing,
		"/pusher/app.js":                nothing,
	} {
		response := send(t, h, http.MethodGet, path, "Accept", navigation)
		got := strconv.Itoa(response.StatusCode) + " " + bodyOf(t, response)
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q is %.60q, want %s …", path, got, want)
		}
		if response.StatusCode != http.StatusOK && response.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%q is rejected with the type %s", path, response.Header.Get("Content-Type"))
		}
	}
}

func TestBehindAServeMuxAPathIsCleanedAndStaysOnTheHost(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/", build(t))
	for path, want := range map[string]string{
		"//evil.example":     "307 /evil.example",
		"//evil.example/..":  "307 /",
		"/../../etc/passwd":  "307 /etc/passwd",
		"/%2e%2e/knowledge":  "404 ",
		"/a/%2e%2e/%2e%2e/b": "404 ",
		"/%2fknowledge":      "404 ",
		"/%61pp/key":         "404 ",
		"/app%2fkey":         "404 ",
		"/know%6cedge":       "200 ",
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://lore.example"+path, nil)
		request.Header.Set("Accept", navigation)
		recorder := httptest.NewRecorder()
		mux.ServeHTTP(recorder, request)
		if got := strconv.Itoa(recorder.Code) + " " + recorder.Header().Get("Location"); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

func TestARouteIsServedIfAcceptNamesHTML(t *testing.T) {
	t.Parallel()
	h := build(t)
	for accept, want := range map[string]int{
		navigation:                  200,
		"text/html":                 200,
		"TEXT/HTML;q=0.1":           200,
		"application/xhtml+xml":     200,
		"nonsense;;, text/html":     200,
		"":                          404,
		"*/*":                       404,
		"text/*":                    404,
		"application/json":          404,
		"text/html;q=0":             404,
		"text/html;q=0, */*":        404,
		"text/html;q=much":          404,
		"text/html;q=-1":            404,
		"text/htmlx, x/text/html/y": 404,
	} {
		response := send(t, h, http.MethodGet, "/knowledge", "Accept", accept)
		if response.StatusCode != want || !strings.Contains(strings.Join(response.Header.Values("Vary"), ","), "Accept") {
			t.Errorf("Accept: %s is answered %d with Vary: %s, want %d", accept, response.StatusCode, response.Header.Values("Vary"), want)
		}
		if response := send(t, h, http.MethodGet, "/", "Accept", accept); response.StatusCode != http.StatusOK {
			t.Errorf("/ with Accept: %s is answered %d", accept, response.StatusCode)
		}
	}
}

func TestOnlyGetAndHeadAreServed(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "BREW"} {
		for _, path := range []string{"/", "/knowledge", "/playground", "/assets/app.js", "/assets/gone.js", "*"} {
			response := send(t, h, method, path, "Accept", navigation)
			if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s is answered %d, Allow: %s", method, path, response.StatusCode, response.Header.Get("Allow"))
			}
		}
		if response := send(t, h, method, "/apps/1/events"); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s where Pusher's API would be is answered %d", method, response.StatusCode)
		}
	}
}

func TestHeadIsGetWithoutTheBody(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, path := range []string{"/", "/knowledge", "/playground", "/assets/app.js", "/assets/app.css", "/assets/font.woff2", "/favicon.svg"} {
		for _, encoding := range []string{"br", "gzip", "identity"} {
			get := send(t, h, http.MethodGet, path, "Accept", navigation, "Accept-Encoding", encoding)
			head := send(t, h, http.MethodHead, path, "Accept", navigation, "Accept-Encoding", encoding)
			if diff := cmp.Diff(get.Header, head.Header); diff != "" || head.StatusCode != get.StatusCode {
				t.Errorf("HEAD %s is %d, and other than GET:\n%s", path, head.StatusCode, diff)
			}
			if body := bodyOf(t, head); body != "" {
				t.Errorf("HEAD %s has the body %.40q", path, body)
			}
			if length := strconv.Itoa(len(bodyOf(t, get))); get.Header.Get("Content-Length") != length {
				t.Errorf("GET %s has Content-Length %s and a body of %s bytes", path, get.Header.Get("Content-Length"), length)
			}
		}
	}
}

func TestEachFileHasItsType(t *testing.T) {
	t.Parallel()
	h := build(t)
	for path, want := range map[string]string{
		"/":                       "text/html; charset=utf-8",
		"/playground":             "text/html; charset=utf-8",
		"/favicon.svg":            "image/svg+xml; charset=utf-8",
		"/assets/app.js":          "text/javascript; charset=utf-8",
		"/assets/app.css":         "text/css; charset=utf-8",
		"/assets/font.woff2":      "font/woff2",
		"/assets/unknown.strange": "application/octet-stream",
	} {
		if got := send(t, h, http.MethodGet, path).Header.Get("Content-Type"); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func TestAMissingPageOfABuildIsNamedByNew(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"index.html", "playground.html"} {
		files := aBuild()
		delete(files, page)
		if _, err := web.New(web.Config{Build: files, Playground: true}); err == nil || !strings.Contains(err.Error(), page) {
			t.Errorf("without %s: %v", page, err)
		}
	}
	files := aBuild()
	delete(files, "playground.html")
	if _, err := web.New(web.Config{Build: files}); err != nil {
		t.Errorf("without a playground, where it is off: %v", err)
	}
}

func TestAFileThatCannotBeReadIsA500(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *web.Config) { c.Build = unreadable{aBuild()} })
	response := send(t, h, http.MethodGet, "/assets/app.js")
	if body := bodyOf(t, response); response.StatusCode != http.StatusInternalServerError || response.Header.Get("ETag") != "" || strings.Contains(body, "secret") {
		t.Errorf("it is %d %v %s", response.StatusCode, response.Header, body)
	}
}

// unreadable is a build with a file that cannot be opened.
type unreadable struct{ fstest.MapFS }

func (u unreadable) Open(name string) (fs.File, error) {
	if name == "assets/app.js" {
		return nil, &fs.PathError{Op: "open", Path: "/secret/" + name, Err: fs.ErrPermission}
	}
	return u.MapFS.Open(name)
}

func (u unreadable) ReadFile(name string) ([]byte, error) {
	if _, err := u.Open(name); err != nil {
		return nil, err
	}
	return u.MapFS.ReadFile(name)
}

func TestManyAskForAFileAtOnceAndItIsCompressedOnce(t *testing.T) {
	t.Parallel()
	counted := &counting{MapFS: aBuild(), reads: make(map[string]int)}
	h := build(t, func(c *web.Config) { c.Build = counted })
	if len(counted.reads) > 0 {
		t.Errorf("before anybody asks, %v are read", counted.reads)
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			response := send(t, h, http.MethodGet, "/assets/app.js", "Accept-Encoding", "gzip")
			r, err := gzip.NewReader(response.Body)
			if err != nil {
				t.Error(err)
				return
			}
			if body, err := io.ReadAll(r); err != nil || string(body) != long {
				t.Errorf("it unpacks to %d bytes, %v", len(body), err)
			}
		})
	}
	group.Wait()
	if diff := cmp.Diff(map[string]int{"assets/app.js": 1}, counted.reads); diff != "" {
		t.Error(diff)
	}
}

// counting is a build that counts how often each file is read.
type counting struct {
	fstest.MapFS
	mu    sync.Mutex // guards reads
	reads map[string]int
}

func (c *counting) ReadFile(name string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads[name]++
	return c.MapFS.ReadFile(name)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
