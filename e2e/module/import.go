package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const (
	version           = "v0.1.0"
	applicationModule = "example.net/application"
)

// heavy are packages of the server that no application compiles when it imports a library of the module.
var heavy = []string{"entgo.io/ent", "github.com/mattn/go-sqlite3", secondPath + "/ent", secondPath + "/graph", secondPath + "/app"}

// proxy is the folder of a module proxy (https://go.dev/ref/mod#goproxy-protocol) with the renamed copy alone.
func (c *checker) proxy() string { return filepath.Join(c.base, "proxy") }

// modules is the module cache of the application. It is apart from the user's, which would keep the copy for good.
func (c *checker) modules() string { return filepath.Join(c.base, "modules") }

// checkImport builds and tests the packages in the folder example with the renamed copy as a required module.
func (c *checker) checkImport(ctx context.Context, example string) error {
	if err := c.publish(); err != nil {
		return fmt.Errorf("put the module into a proxy: %w", err)
	}
	if err := c.writeApplication(example); err != nil {
		return fmt.Errorf("copy %s: %w", example, err)
	}
	// The Go command keeps what it got for a version, and the copy has the same version each time.
	for _, former := range []string{"example.org", filepath.Join("cache", "download", "example.org")} {
		if err := os.RemoveAll(filepath.Join(c.modules(), former)); err != nil {
			return err
		}
	}
	variables, err := c.variables(ctx)
	if err != nil {
		return err
	}
	for _, command := range []string{"go build ./...", "go vet ./...", "go test ./..."} {
		if err := c.run(ctx, c.application, variables, strings.Fields(command)...); err != nil {
			return fmt.Errorf("an application that requires the module: %w", err)
		}
	}
	return c.checkDependencies(ctx, variables)
}

// publish writes the files of the proxy.
func (c *checker) publish() (err error) {
	folder := filepath.Join(c.proxy(), secondPath, "@v")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	goMod, err := os.ReadFile(filepath.Join(c.tree, "go.mod"))
	if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Now().UTC()})
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"list": []byte(version + "\n"), version + ".mod": goMod, version + ".info": info} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return err
		}
	}
	archive, err := os.Create(filepath.Join(folder, version+".zip"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	return zip.CreateFromDir(archive, module.Version{Path: secondPath, Version: version}, c.tree)
}

// writeApplication copies the example from the renamed copy into a module of its own. A go.mod of its own loses its
// replacements, and requires the published version.
func (c *checker) writeApplication(example string) error {
	from := filepath.Join(c.tree, example)
	if err := os.CopyFS(c.application, os.DirFS(from)); err != nil {
		return err
	}
	// The checksums of the module's own dependencies. Without them, the Go command would ask a checksum database.
	own, err := os.ReadFile(filepath.Join(c.application, "go.sum"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	known, err := os.ReadFile(filepath.Join(c.tree, "go.sum"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.application, "go.sum"), append(own, known...), 0o600); err != nil { //nolint:gosec // ours
		return err
	}
	goMod, err := c.goMod()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.application, "go.mod"), goMod, 0o600); err != nil {
		return err
	}
	// The example and the packages below it are the application's now.
	former := secondPath + "/" + filepath.ToSlash(filepath.Clean(example))
	rules := newRules(former, applicationModule)
	rules.constants = replacement{regexp.MustCompile(`"` + regexp.QuoteMeta(former) + `"`), `"` + applicationModule + `"`}
	contents, err := renamedFiles(c.application, rules)
	if err != nil {
		return err
	}
	for name, content := range contents {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// goMod returns the go.mod of the application.
func (c *checker) goMod() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(c.application, "go.mod"))
	if errors.Is(err, fs.ErrNotExist) {
		text, err = []byte("module "+applicationModule+"\n\ngo 1.26.0\n"), nil
	}
	if err != nil {
		return nil, err
	}
	file, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		return nil, err
	}
	for _, replace := range file.Replace {
		if err := file.DropReplace(replace.Old.Path, replace.Old.Version); err != nil {
			return nil, err
		}
	}
	if err := file.AddRequire(secondPath, version); err != nil {
		return nil, err
	}
	return file.Format()
}

// variables is the environment of the application: modules come from the proxy, then from the user's module cache, and
// then from the user's proxy.
func (c *checker) variables(ctx context.Context) ([]string, error) {
	var settings map[string]string
	printed, err := exec.CommandContext(ctx, "go", "env", "-json", "GOFLAGS", "GOMODCACHE", "GONOSUMDB", "GOPROXY").Output()
	if err != nil {
		return nil, fmt.Errorf("ask go env: %w", err)
	}
	if err := json.Unmarshal(printed, &settings); err != nil {
		return nil, err
	}
	cached := "file://" + filepath.ToSlash(filepath.Join(settings["GOMODCACHE"], "cache", "download"))
	return []string{
		"GOFLAGS=" + strings.TrimSpace(settings["GOFLAGS"]+" -mod=mod -modcacherw"),
		"GOMODCACHE=" + c.modules(),
		"GOPROXY=file://" + filepath.ToSlash(c.proxy()) + "," + cached + "," + settings["GOPROXY"],
		"GONOSUMDB=" + strings.TrimPrefix(settings["GONOSUMDB"]+","+secondPath, ","),
	}, nil
}

// checkDependencies fails if the application compiles heavy packages.
func (c *checker) checkDependencies(ctx context.Context, variables []string) error {
	list := exec.CommandContext(ctx, "go", "list", "-deps", "-test", "./...")
	list.Dir, list.Env = c.application, append(os.Environ(), variables...)
	printed, err := list.Output()
	if err != nil {
		return fmt.Errorf("list what the application compiles: %w", err)
	}
	count := 0
	for name := range strings.Lines(string(printed)) {
		name = strings.TrimSpace(name)
		count++
		for _, unwanted := range heavy {
			if name == unwanted || strings.HasPrefix(name, unwanted+"/") {
				return fmt.Errorf("an application that requires the module compiles %s: no library may import it", name)
			}
		}
	}
	fmt.Fprintf(c.out, "         an application that requires the module compiles %d packages\n", count)
	return nil
}
