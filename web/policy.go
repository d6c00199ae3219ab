package web

import (
	"net/http"
	"strings"
)

// policy is the Content-Security-Policy of the app and of all files: what a page needs, named one by one.
//
// 'self' in connect-src covers WebSockets to the page's own host and port, too, in every browser since 2022.
func policy(connectTo []string) string {
	return join(connectTo,
		"style-src 'self'",
		"font-src 'self'",
	)
}

// playgroundPolicy is that of the playground's page alone. Its editor writes style elements of its own, has its font
// in its style sheet, and checks what is typed in workers, which are files as well. Scripts are held as strictly as
// the app's.
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

// protect sets the headers that every response has.
func protect(header http.Header, policy string) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	// No window of another site gets hold of ours.
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	// Not no-referrer: under that, browsers say "Origin: null" where older ones are recognized by their Origin.
	header.Set("Referrer-Policy", "same-origin")
}
