package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// rename gives the module in root another path. It returns the former path and how many files it changed. On an error
// of path or of a file's content nothing is changed.
func rename(root, path string) (former string, changed int, err error) {
	if err := checkPath(path); err != nil {
		return "", 0, err
	}
	goMod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", 0, fmt.Errorf("run it in the root of the repository: %w", err)
	}
	former = modfile.ModulePath(goMod)
	if former == "" {
		return "", 0, errors.New("go.mod has no module path: restore its first line")
	}
	contents, err := renamedFiles(root, newRules(former, path))
	if err != nil {
		return "", 0, err
	}
	for name, content := range contents {
		// An existing file keeps its mode.
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return "", 0, fmt.Errorf("write %s: %w: run it once more when that is corrected", name, err)
		}
	}
	return former, len(contents), nil
}

// checkPath returns an error that names what is wrong with path, and what is allowed.
func checkPath(path string) error {
	const allowed = "a module path is a host and a folder, such as path=example.org/you/lorebridge: " +
		"letters, digits, '-', '.', '_' and '~' between slashes, with a dot in the host"
	if path == "" {
		return errors.New("path is missing: " + allowed)
	}
	if err := module.CheckPath(path); err != nil {
		return fmt.Errorf("%w: %s", err, allowed)
	}
	if slices.Contains(strings.Split(path, "/"), "internal") {
		return fmt.Errorf("%q has a folder named internal, so no other module could import it", path)
	}
	return nil
}

// renamedFiles returns the new contents of all files that change, by name.
func renamedFiles(root string, rules rules) (map[string][]byte, error) {
	contents := make(map[string][]byte)
	files := os.DirFS(root)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); name != "." && base != ".ci" && (base[0] == '.' || base == "node_modules" || base == "dist" || base == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		replacements := rules.of(entry.Name())
		if len(replacements) == 0 || !entry.Type().IsRegular() {
			return nil
		}
		before, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		after, err := apply(replacements, name, before)
		if err != nil {
			return err
		}
		if !bytes.Equal(before, after) {
			contents[filepath.Join(root, name)] = after
		}
		return nil
	})
	return contents, err
}

// rules are what is replaced, by kind of file.
type rules struct{ imports, constants, requirements, linter replacement }

type replacement struct {
	pattern *regexp.Regexp
	by      string
}

func newRules(former, path string) rules {
	quoted := regexp.QuoteMeta(former)
	compile := func(pattern, by string) replacement {
		return replacement{regexp.MustCompile("(?m)" + strings.ReplaceAll(pattern, "FORMER", quoted)), strings.ReplaceAll(by, "PATH", path)}
	}
	return rules{
		// A package: the path begins here, and a folder follows. "/apps/lorebridge/events" is none.
		imports: compile(`(^|[^\w./~-])FORMER/([a-z])`, `${1}PATH/${2}`),
		// The two constants that name the module itself. Elsewhere such a string is the name of a binary or a channel.
		constants:    compile(`\b((?:module|serverPackage)\s*=\s*)"FORMER"`, `${1}"PATH"`),
		requirements: compile(`(^|[\s(])FORMER($|\s)`, `${1}PATH${2}`),
		linter:       compile(`((?:module-path: |local-prefixes: \[))FORMER\b`, `${1}PATH`),
	}
}

// of returns the replacements for a file.
func (r rules) of(name string) []replacement {
	switch filepath.Ext(name) {
	case ".go":
		return []replacement{r.imports, r.constants}
	case ".tmpl", ".md", ".sh":
		return []replacement{r.imports}
	}
	switch name {
	case "go.mod":
		return []replacement{r.requirements}
	case ".golangci.yml":
		return []replacement{r.imports, r.linter}
	case "gqlgen.yml", "Makefile", "run":
		return []replacement{r.imports}
	}
	return nil
}

// apply returns the new content of a file. Go code that was formatted stays so, because imports are sorted by path.
func apply(replacements []replacement, name string, before []byte) ([]byte, error) {
	after := before
	for _, r := range replacements {
		after = r.pattern.ReplaceAll(after, []byte(r.by))
	}
	if filepath.Ext(name) != ".go" || bytes.Equal(before, after) {
		return after, nil
	}
	if formatted, err := format.Source(before); err != nil {
		return nil, fmt.Errorf("%s is not Go: correct it first: %w", name, err)
	} else if !bytes.Equal(formatted, before) {
		return after, nil
	}
	return format.Source(after)
}
