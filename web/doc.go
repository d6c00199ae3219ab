// Package web is the face: the React app in src, and the Handler that serves its build, which is embedded from dist.
//
// The app is at / and at every path that is not another's, for its own router to read; the playground is at
// /playground, where it is on. Names of files stay the same from build to build, so nothing is cached without asking
// again, and asking again costs a 304: each representation has a strong ETag. brotli is made with the build, by
// compress.go; gzip once, when it is first asked for: a start waits for none of it.
//
// Every response carries a Content-Security-Policy under which nothing runs that is not a file of the build.
//
// Everything here may be called concurrently.
//
// Non-goals: the API (graph), pages made on the server, ranges, and TLS, which is a proxy's.
package web
