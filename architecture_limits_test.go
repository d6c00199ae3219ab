package main_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxMethods       = 25
	maxResolverBody  = 10
	maxFunctionLines = 60 // of a declaration, from func to the closing brace
)

// limitFaults finds functions that are too long and types with too many methods. Generated files and tests have no such
// limits, and methods in generated files do not count.
func limitFaults(sources []source) []string {
	var faults []string
	methods := map[string]int{}
	for _, s := range sources {
		if !s.built() || s.generated {
			continue
		}
		for _, decl := range s.syntax.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if f.Recv != nil {
				methods[s.folder()+"."+typeName(f.Recv.List[0].Type)]++
			}
			if n := s.line(f.End()) - s.line(f.Pos()) + 1; n > maxFunctionLines {
				faults = append(faults, fmt.Sprintf("%s: %s has %d lines: a function has at most %d", s.path, f.Name.Name, n, maxFunctionLines))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		if n := methods[name]; n > maxMethods {
			faults = append(faults, fmt.Sprintf("%s has %d methods: a type has at most %d", name, n, maxMethods))
		}
	}
	return faults
}

// typeName returns the name in the type of a receiver or of an embedded field: without pointer, package and parameters.
func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.IndexExpr:
		return typeName(t.X)
	case *ast.IndexListExpr:
		return typeName(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

func isResolvers(name string) bool { return strings.HasSuffix(name, ".resolvers.go") }

// resolverFaults looks at the files gqlgen puts every resolver into: their work stands in a file per concept.
func resolverFaults(sources []source) []string {
	var faults []string
	for _, s := range sources {
		if !isResolvers(s.path) {
			continue
		}
		for _, decl := range s.syntax.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			lines := s.line(f.Body.Rbrace) - s.line(f.Body.Lbrace) - 1
			if lines > maxResolverBody {
				faults = append(faults, fmt.Sprintf("%s: the body of %s has %d lines: a resolver has at most %d",
					s.path, f.Name.Name, lines, maxResolverBody))
			}
		}
	}
	return faults
}

// methods returns the text of n methods of a type.
func methods(receiver string, n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "func (%s) m%d() {}\n", receiver, i)
	}
	return text.String()
}

const (
	protocolFile = "docs/protocol.md"
	codesHead    = "| code | when | status |"
)

var (
	// codeFiles are the only files that have literals of codes.
	codeFiles = []string{"graph/errors.go", "bridge/errors.go"}
	// foreignCodes are the folders of programs and tests that have codes as clients and other applications do.
	foreignCodes = []string{"bench", "bench/ceiling", "bridge/bridgetest"}
	codeName     = regexp.MustCompile(`^[Cc]ode[A-Z]`)
	code         = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
)

// codesOf returns the codes of errors: the constants of codeFiles, and the codes in the table of protocolFile.
func codesOf(tree fs.FS, sources []source) (map[string]bool, error) {
	codes := map[string]bool{}
	markdown, err := fs.ReadFile(tree, protocolFile)
	if err != nil {
		return nil, err
	}
	_, table, found := strings.Cut(string(markdown), codesHead+"\n")
	if !found {
		return nil, fmt.Errorf("%s: no table headed %q", protocolFile, codesHead)
	}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) == 1 {
			break
		}
		for _, quoted := range regexp.MustCompile("`([A-Z_]+)`").FindAllStringSubmatch(cells[1], -1) {
			codes[quoted[1]] = true
		}
	}
	for _, s := range sources {
		if !slices.Contains(codeFiles, s.path) {
			continue
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				for i, value := range spec.Values {
					if text := literal(value); codeName.MatchString(spec.Names[i].Name) && code.MatchString(text) {
						codes[text] = true
					}
				}
			}
			return true
		})
	}
	return codes, nil
}

// codeFaults finds codes of errors that are not constants of codeFiles.
func codeFaults(codes map[string]bool, sources []source) []string {
	var faults []string
	for _, s := range sources {
		if !s.built() || s.generated || slices.Contains(codeFiles, s.path) || slices.Contains(foreignCodes, s.folder()) {
			continue
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok && codes[literal(e)] {
				faults = append(faults, fmt.Sprintf("%s has the code %s: codes are constants of %s",
					s.path, literal(e), strings.Join(codeFiles, " and ")))
			}
			return true
		})
	}
	return faults
}

// literal returns the text of a string literal, or an empty string.
func literal(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	text, _ := strconv.Unquote(l.Value)
	return text
}
