// Package web is the user interface: the React app in src, and the Handler that serves its build, which is embedded
// from dist.
//
// The app is at / and at every path that no other handler has, and its own router reads the path. The playground is
// at /playground if it is on. The names of files stay the same from build to build, so browsers must ask again each
// time. That costs a 304, because each representation has a strong ETag. compress.go makes the brotli versions with
// the build. gzip versions are made once, at the first request, so that a start does not wait for them.
//
// Every response carries a Content-Security-Policy that allows only files of the build to run.
//
// Everything here may be called concurrently.
//
// Non-goals: the API (graph), pages rendered on the server, ranges, and TLS, which is the proxy's task.
package web
