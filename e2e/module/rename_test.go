package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// before is a tree with each form in which a module path is written, and with names that are none.
var before = map[string]string{
	"go.mod":          "module lorebridge\n\ngo 1.26.0\n\nrequire github.com/you/lorebridge v1.0.0\n",
	"examples/go.mod": "module example\n\nrequire lorebridge v0.0.0\n\nreplace lorebridge => ..\n",
	"server.go": `package main

import (
	"zip.example/zip"

	"lorebridge/app"
	_ "lorebridge/ent/runtime"
)

const serverPackage = "lorebridge"

func main() { zip.Run(app.Main, "lorebridge", "/apps/lorebridge/events", "lorebridge.db") }
`,
	"ent/runtime.go":       "package ent\n\n// generated in lorebridge/ent/runtime/runtime.go\n",
	"graph/one.go":         "package graph\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\t\"lorebridge/ent\"\n)\n\nvar _ context.Context\n",
	"wall_test.go":         "package main_test\n\nconst module = \"lorebridge\"\n\nvar want = \"imports \\\"lorebridge/gone\\\"\"\n",
	"gqlgen.yml":           "autobind: [lorebridge/ent]\n",
	".golangci.yml":        "module-path: lorebridge\nlocal-prefixes: [lorebridge]\n",
	"ent/template/a.tmpl":  "import \"lorebridge/rule\"\n",
	"README.md":            "bin/lorebridge events, lorebridge.db, `import \"lorebridge/pusherserver\"`\n",
	"web/rooms.js":         "'lorebridge/rooms'\n",
	"node_modules/x.go":    "not Go: \"lorebridge/app\"\n",
	".hidden/x.go":         "not Go: \"lorebridge/app\"\n",
	"scripts/version.sh":   "go build -ldflags '-X lorebridge/app.version=1' -o bin/lorebridge\n",
	"web/dist/assets/x.md": "\"lorebridge/app\"\n",
}

// after is before under the path example.org/you/tree.
func after() map[string]string {
	tree := maps.Clone(before)
	tree["go.mod"] = "module example.org/you/tree\n\ngo 1.26.0\n\nrequire github.com/you/lorebridge v1.0.0\n"
	tree["examples/go.mod"] = "module example\n\nrequire example.org/you/tree v0.0.0\n\nreplace example.org/you/tree => ..\n"
	for _, name := range []string{"server.go", "ent/runtime.go", "wall_test.go", "gqlgen.yml", "ent/template/a.tmpl"} {
		tree[name] = strings.NewReplacer(
			`"lorebridge/`, `"example.org/you/tree/`,
			`in lorebridge/`, `in example.org/you/tree/`,
			`[lorebridge/`, `[example.org/you/tree/`,
			`serverPackage = "lorebridge"`, `serverPackage = "example.org/you/tree"`,
			`module = "lorebridge"`, `module = "example.org/you/tree"`,
		).Replace(before[name])
	}
	tree["graph/one.go"] = "package graph\n\nimport (\n\t\"context\"\n\t\"example.org/you/tree/ent\"\n\t\"fmt\"\n)\n\nvar _ context.Context\n"
	tree[".golangci.yml"] = "module-path: example.org/you/tree\nlocal-prefixes: [example.org/you/tree]\n"
	tree["README.md"] = "bin/lorebridge events, lorebridge.db, `import \"example.org/you/tree/pusherserver\"`\n"
	tree["scripts/version.sh"] = "go build -ldflags '-X example.org/you/tree/app.version=1' -o bin/lorebridge\n"
	return tree
}

func TestRenamingReplacesTheModulePathAndNothingElse(t *testing.T) {
	t.Parallel()
	root := write(t, before)
	former, changed, err := rename(root, "example.org/you/tree")
	if err != nil || former != "lorebridge" || changed != 11 {
		t.Fatalf("got %q, %d files and %v; want lorebridge and 11 files", former, changed, err)
	}
	if diff := cmp.Diff(after(), read(t, root)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestRenamingTwiceIsRenamingOnce(t *testing.T) {
	t.Parallel()
	root := write(t, before)
	for _, path := range []string{"example.org/lorebridge", "z.example/tree/tree", "example.org/you/tree", "example.org/you/tree"} {
		if _, _, err := rename(root, path); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	if diff := cmp.Diff(after(), read(t, root)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestAPathThatNobodyCouldImportIsRejected(t *testing.T) {
	t.Parallel()
	root := write(t, before)
	for path, reason := range map[string]string{
		"":                            "path is missing",
		"lorebridge":                  "missing dot in first path element",
		"example.org/you/":            "trailing slash",
		"/example.org/you":            "empty path element",
		"https://example.org/you":     "double slash",
		"example.org:8080/you":        "invalid char ':'",
		"example.org/you/lore bridge": "invalid char ' '",
		"example.org/../lorebridge":   "invalid path element",
		"example.org/x/v1":            "invalid version",
		"example.org/internal/x":      "no other module could import it",
	} {
		_, _, err := rename(root, path)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: got error %v, want %q in it", path, err, reason)
		}
		if err != nil && reason != "no other module could import it" && !strings.Contains(err.Error(), "example.org/you/lorebridge") {
			t.Errorf("%q: error %v names no valid path", path, err)
		}
	}
	if diff := cmp.Diff(before, read(t, root)); diff != "" {
		t.Errorf("files changed (-want +got):\n%s", diff)
	}
}

func TestAFileThatCannotBeRewrittenChangesNothing(t *testing.T) {
	t.Parallel()
	tree := maps.Clone(before)
	tree["zebra.go"] = "package main\nimport \"lorebridge/app\"\nfunc {\n"
	root := write(t, tree)
	if _, _, err := rename(root, "example.org/you/tree"); err == nil || !strings.Contains(err.Error(), "zebra.go is not Go") {
		t.Errorf("got error %v, want one that names zebra.go", err)
	}
	if diff := cmp.Diff(tree, read(t, root)); diff != "" {
		t.Errorf("files changed (-want +got):\n%s", diff)
	}
}

func write(t *testing.T, tree map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, content := range tree {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func read(t *testing.T, root string) map[string]string {
	t.Helper()
	tree := make(map[string]string)
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(root, name))
		tree[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
