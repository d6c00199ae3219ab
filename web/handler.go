package web

import (
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// These are the pages of a build. Each has one address, which is not the name of its file.
const (
	appPage        = "index.html"
	playgroundPage = "playground.html"
)

// others are the first path segments of the server's other handlers. No route of the app begins with one, so nothing
// answers there if such a handler is off.
var others = []string{"app", "apps", "graphql", "pusher"}

// Handler serves the app and the playground. It may be used concurrently.
type Handler struct {
	app        *file
	playground *file            // nil if it is off
	files      map[string]*file // by their paths without the first slash, except pages and compressed versions
	// policy and playgroundPolicy are the Content-Security-Policies.
	policy, playgroundPolicy string
}

var _ http.Handler = (*Handler)(nil)

// New returns a handler for /. It reads the names of the build's files, but not their content.
func New(c Config) (*Handler, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Handler{
		app:              newFile(c.Build, appPage),
		files:            make(map[string]*file),
		policy:           policy(c.ConnectTo),
		playgroundPolicy: playgroundPolicy(c.ConnectTo),
	}
	if c.Playground {
		h.playground = newFile(c.Build, playgroundPage)
	}
	unaddressed := func(name string) bool {
		return name == appPage || name == playgroundPage || path.Ext(name) == brotliExtension
	}
	return h, fs.WalkDir(c.Build, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !unaddressed(name) {
			h.files[name] = newFile(c.Build, name)
		}
		return err
	})
}

// ServeHTTP answers GET and HEAD with a page, a file, or an error text.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header(), h.policy)
	name := strings.TrimPrefix(r.URL.Path, "/")
	first, rest, _ := strings.Cut(name, "/")
	switch {
	case slices.Contains(others, first):
		reject(w, http.StatusNotFound, "There is nothing at this path. The API is POST /graphql.")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		reject(w, http.StatusMethodNotAllowed, "Only GET and HEAD are served here. The API is POST /graphql.")
	case name == "":
		h.app.serve(w, r)
	case first == "playground" && rest == "":
		h.servePlayground(w, r)
	case h.files[name] != nil:
		h.files[name].serve(w, r)
	case !isRoute(name, first):
		reject(w, http.StatusNotFound, "There is no such file.")
	default:
		w.Header().Add("Vary", "Accept")
		if !acceptsHTML(r.Header.Values("Accept")) {
			reject(w, http.StatusNotFound, "There is nothing at this path but pages of the app: accept text/html for those.")
			return
		}
		h.app.serve(w, r)
	}
}

// isRoute reports whether a path may be a route of the app. If not, it names a missing file.
func isRoute(name, first string) bool {
	return first != "assets" && first != "playground" && path.Ext(name) == "" && fs.ValidPath(strings.TrimSuffix(name, "/"))
}

func (h *Handler) servePlayground(w http.ResponseWriter, r *http.Request) {
	if h.playground == nil {
		reject(w, http.StatusNotFound, "The playground is off on this server: whoever runs it can set PLAYGROUND=on.")
		return
	}
	protect(w.Header(), h.playgroundPolicy)
	h.playground.serve(w, r)
}

// serve answers with the file, or with 304 if the client has it.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Add("Vary", "Accept-Encoding")
	sent, err := f.negotiate(r.Header.Values("Accept-Encoding"))
	switch {
	case err != nil:
		reject(w, http.StatusInternalServerError, "This file cannot be read.")
		return
	case sent.etag == "":
		reject(w, http.StatusNotAcceptable, "This is served without a Content-Encoding, or as br or gzip where it is a longer text: accept identity.")
		return
	}
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", sent.etag)
	if matches(r.Header.Values("If-None-Match"), sent.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := sent.body
	if body == nil {
		if body, err = fs.ReadFile(f.build, sent.name); err != nil {
			header.Del("ETag")
			reject(w, http.StatusInternalServerError, "This file cannot be read.")
			return
		}
	}
	if sent.encoding != "" {
		header.Set("Content-Encoding", sent.encoding)
	}
	header.Set("Content-Type", f.contentType)
	header.Set("Content-Length", strconv.Itoa(sent.size))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // if this fails, the client has disconnected
	}
}

// negotiate returns the existing representation that the client prefers, or none if it accepts none of them.
func (f *file) negotiate(acceptEncoding []string) (representation, error) {
	for _, coding := range encodings(acceptEncoding) {
		if made, err := f.encoded[coding](); err != nil || made.etag != "" {
			return made, err
		}
	}
	return representation{}, nil
}

// reject answers with a status and a text in plain words.
func reject(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, why+"\n") // if this fails, the client has disconnected
}
