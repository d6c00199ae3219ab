// Command module renames the Go module, and checks that a renamed copy works and can be imported.
//
// Usage, in the root of the repository:
//
//	go run ./e2e/module rename example.org/you/lorebridge     # make module path=example.org/you/lorebridge
//	go run ./e2e/module check [-example folder] [-keep]       # make renamed
//
// rename replaces the module path in go.mod and wherever Go code, gqlgen.yml, the linter's configuration, documents and
// scripts name it. Names of binaries, cookies, headers and channels stay. It needs no git, does not look at uncommitted
// changes, and may run any number of times. If a file cannot be rewritten, it changes none.
//
// check copies the files that git knows or could add to bin/.module/tree, renames the copy twice, builds and tests it,
// and compares generated code. Then it puts the copy into a module proxy of files. In a module of their own, the
// example's packages are built and tested with that module as a requirement. The folder is always the same, so that
// Go's build cache helps the next time.
package main
