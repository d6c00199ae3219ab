package pusherserver

import "net/http"

// Every answer of the HTTP API is JSON, on success and on failure, because client libraries parse it in any case.

// writeJSON sends v as the whole body. v is one of the types of this package.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(encode(v))
}

// writeError sends {"error": reason}. The client libraries show the body to the developer without a change.
func writeError(w http.ResponseWriter, status int, reason string) {
	writeJSON(w, status, struct {
		Error string `json:"error"`
	}{reason})
}

// allowMethod reports whether r has the method. If not, it answers with 405.
func allowMethod(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	writeError(w, http.StatusMethodNotAllowed, "method must be "+method)
	return false
}
