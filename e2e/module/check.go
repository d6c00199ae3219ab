package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	firstPath  = "example.com/first/name"
	secondPath = "example.org/x/lorebridge"
)

// checker runs commands and prints how long each took.
type checker struct {
	out         io.Writer
	base        string // the folder of all that it writes; absolute
	tree        string // the renamed copy
	application string // the module that requires it
}

// check fails if a renamed copy of the work tree does not work, or cannot be imported.
func check(ctx context.Context, example string, keep bool, out io.Writer) (err error) {
	base, err := filepath.Abs(filepath.Join("bin", ".module"))
	if err != nil {
		return err
	}
	c := &checker{out: out, base: base, tree: filepath.Join(base, "tree"), application: filepath.Join(base, "application")}
	if err := c.clean(); err != nil {
		return err
	}
	if !keep {
		defer func() { err = errors.Join(err, c.clean()) }()
	}
	if err := c.copyTree(ctx); err != nil {
		return fmt.Errorf("copy the work tree: %w", err)
	}
	if _, _, err := rename(c.tree, firstPath); err != nil {
		return fmt.Errorf("rename to %s: %w", firstPath, err)
	}
	if err := c.run(ctx, c.tree, nil, "make", "module", "path="+secondPath); err != nil {
		return err
	}
	if err := c.checkGenerated(ctx); err != nil {
		return err
	}
	for _, command := range []string{"go build ./...", "go vet ./pusherserver ./pusherapi ./rule", "go test ."} {
		if err := c.run(ctx, c.tree, nil, strings.Fields(command)...); err != nil {
			return err
		}
	}
	return c.checkImport(ctx, example)
}

// clean removes what an earlier check has left, except the module cache.
func (c *checker) clean() error {
	return errors.Join(os.RemoveAll(c.tree), os.RemoveAll(c.application), os.RemoveAll(c.proxy()))
}

// copyTree copies the files that git knows, or would add.
func (c *checker) copyTree(ctx context.Context) error {
	list, err := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("list the files with git: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		err := copyFile(filepath.Join(c.tree, name), name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a removed file is listed until that is committed
			return err
		}
	}
	return nil
}

func copyFile(to, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to, content, info.Mode().Perm()) //nolint:gosec // git has named the file
}

// checkGenerated fails if generating once more changes, adds or removes a file.
func (c *checker) checkGenerated(ctx context.Context) error {
	before, err := sums(c.tree)
	if err != nil {
		return err
	}
	if err := c.run(ctx, c.tree, nil, "go", "generate", "./graph"); err != nil {
		return err
	}
	after, err := sums(c.tree)
	if err != nil {
		return err
	}
	var different []string
	for name := range maps.Keys(before) {
		if after[name] != before[name] {
			different = append(different, name)
		}
	}
	for name := range maps.Keys(after) {
		if _, ok := before[name]; !ok {
			different = append(different, name)
		}
	}
	if len(different) > 0 {
		slices.Sort(different)
		return fmt.Errorf("after `make module`, generating changes %s", strings.Join(different, ", "))
	}
	return nil
}

// sums returns the checksums of all files below root.
func sums(root string) (map[string][sha256.Size]byte, error) {
	found := make(map[string][sha256.Size]byte)
	files := os.DirFS(root)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		found[name] = sha256.Sum256(content)
		return err
	})
	return found, err
}

// run runs a command in folder, with variables added to the environment. Its error has all that the command printed.
func (c *checker) run(ctx context.Context, folder string, variables []string, command ...string) error {
	began := time.Now()
	var printed bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // ours
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, &printed, &printed
	cmd.Env = append(os.Environ(), append([]string{"GOWORK=off"}, variables...)...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s in %s: %w\n%s", strings.Join(command, " "), folder, err, printed.Bytes())
	}
	fmt.Fprintf(c.out, "%5.1f s  %s\n", time.Since(began).Seconds(), strings.Join(command, " "))
	return nil
}
