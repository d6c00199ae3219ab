package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
)

// replies answers the requests of routes with JSON.
type replies struct {
	identity Identity
	log      *slog.Logger
}

// rejection is an answer in JSON with the reason why a request is rejected.
type rejection struct {
	status int
	reason string
}

func (a replies) rejectionOf(w http.ResponseWriter, r *http.Request, err error) *rejection {
	if cause := context.Cause(r.Context()); cause != nil && a.identity.Unauthenticated(cause) {
		err = cause // whatever went wrong on the way
	}
	var unavailable Unavailable
	switch {
	case errors.As(err, &unavailable):
		a.log.WarnContext(r.Context(), "a request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
		w.Header().Set("Retry-After", strconv.Itoa(unavailable.Seconds()))
		return &rejection{http.StatusServiceUnavailable, unavailable.Message()}
	case errors.Is(err, errSessionEnded), a.identity.Unauthenticated(err):
		return &rejection{http.StatusUnauthorized, err.Error()}
	case errors.Is(err, ErrForbidden): // it ended at this moment
		return &rejection{http.StatusForbidden, "this subscription has ended"}
	}
	a.log.ErrorContext(r.Context(), "a request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	return &rejection{http.StatusInternalServerError, "internal error"}
}

func (a replies) reject(w http.ResponseWriter, r rejection) {
	answer, err := json.Marshal(map[string]string{"error": r.reason})
	if err != nil {
		answer = []byte(`{}`) // cannot be: a map of strings
	}
	a.answer(w, r.status, answer)
}

func (a replies) answer(w http.ResponseWriter, status int, answer []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := w.Write(answer); err != nil { //nolint:gosec // JSON, and not to be sniffed
		a.log.Debug("the client is gone before its answer", slog.Any("error", err))
	}
}
