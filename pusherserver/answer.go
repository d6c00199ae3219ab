package pusherserver

import "net/http"

// Every answer of the HTTP API is JSON, on success and on failure: the client libraries parse it without looking.

// writeJSON sends v, which is one of our own types, as the whole body.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(encode(v))
}

// writeError sends {"error": reason}. The client libraries show the body to their developer as it is.
func writeError(w http.ResponseWriter, status int, reason string) {
	writeJSON(w, status, struct {
		Error string `json:"error"`
	}{reason})
}

// allowMethod answers 405 and reports false unless r has the method.
func allowMethod(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	writeError(w, http.StatusMethodNotAllowed, "method must be "+method)
	return false
}
