package pusherserver

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
)

// RoundTripper returns a transport for publishers in the same process. It calls the server without TCP, and ignores the
// host of the URL. It runs in the goroutine of the caller. If the context ends, the server stops reading the body. It
// serves the HTTP API, but no WebSockets. It may be used concurrently.
func (s *Server) RoundTripper() http.RoundTripper { return loopback{s} }

type loopback struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper. It closes the body. After an error of the context, the event may have been
// published or not, as over TCP.
func (l loopback) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	defer body.Close()
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { body.Close() })
	served := r.Clone(ctx)
	served.Body = body
	served.RequestURI = r.URL.RequestURI()
	served.RemoteAddr = "loopback"
	recorder := &responseRecorder{header: make(http.Header)}
	l.handler.ServeHTTP(recorder, served)
	if !stop() {
		return nil, ctx.Err()
	}
	return recorder.response(r), nil
}

// responseRecorder is the http.ResponseWriter of one loopback request.
type responseRecorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *responseRecorder) Header() http.Header { return w.header }

func (w *responseRecorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *responseRecorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// response returns the recorded response. Its body is in memory and need not be closed.
func (w *responseRecorder) response(r *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status:        strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.header,
		Body:          io.NopCloser(bytes.NewReader(w.body.Bytes())),
		ContentLength: int64(w.body.Len()),
		Request:       r,
	}
}
