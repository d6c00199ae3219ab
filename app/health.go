package app

import (
	"encoding/json"
	"log/slog"
	"net/http"
)

// problems returns the reasons why this server should get no requests now.
func (a *App) problems() []string {
	found := []string{}
	if a.stopping.Load() {
		found = append(found, "the server is stopping")
	}
	if problem := a.health.Problem(); problem != "" {
		found = append(found, problem)
	}
	broken, _ := a.pusher.Faults()
	return append(found, broken...)
}

// report writes the state of the server as JSON, with status 503 if there are problems.
func (a *App) report(w http.ResponseWriter, r *http.Request, problems []string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if len(problems) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	status := a.Relay.Status()
	_, warnings := a.pusher.Faults()
	parked, err := a.Log.CountParked(r.Context())
	if err != nil && r.Context().Err() == nil {
		warnings = append(warnings, "parked events cannot be counted: the log has the reason")
		a.log.WarnContext(r.Context(), "parked events cannot be counted", slog.Any("error", err))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{ // fails if the client is gone
		"ok": len(problems) == 0, "problems": problems, "warnings": warnings,
		"eventsWaiting": status.Waiting, "moreInTable": status.Behind,
		"parked": parked, "subscriptions": a.Subscriptions.Stats(),
	})
}
