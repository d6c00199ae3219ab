package web

import (
	"net/http"
	"strings"
)

// policy returns the Content-Security-Policy of the app and of all files. It lists everything that a page needs.
//
// 'self' in connect-src also covers WebSockets to the page's own host and port, in every browser since 2022.
func policy(connectTo []string) string {
	return join(connectTo,
		"style-src 'self'",
		"font-src 'self'",
	)
}

// playgroundPolicy returns the policy of the playground's page. Its editor writes style elements, has its font in its
// style sheet, and checks the input in workers, which are files as well. Scripts are as limited as in the app.
func playgroundPolicy(connectTo []string) string {
	return join(connectTo,
		"style-src 'self' 'unsafe-inline'",
		"font-src 'self' data:",
		"worker-src 'self'",
	)
}

func join(connectTo []string, differing ...string) string {
	return strings.Join(append([]string{
		"default-src 'none'",
		"script-src 'self'",
		"img-src 'self' data:",
		strings.Join(append([]string{"connect-src 'self'"}, connectTo...), " "),
		"manifest-src 'self'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}, differing...), "; ")
}

// protect sets the headers of every response.
func protect(header http.Header, policy string) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	// Windows of other sites get no reference to ours.
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	// With no-referrer, browsers send "Origin: null", but older browsers are recognized by their Origin.
	header.Set("Referrer-Policy", "same-origin")
}
