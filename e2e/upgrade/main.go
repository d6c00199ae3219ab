package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "upgrade:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("upgrade", flag.ContinueOnError)
	commit := flags.String("commit", "45bcc50", "the commit whose binary is the older one, unless OLD_BIN is set")
	if err := flags.Parse(args); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "lorebridge-upgrade-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	older, err := binary(ctx, "OLD_BIN", folder, *commit)
	if err != nil {
		return err
	}
	newer, err := binary(ctx, "NEW_BIN", folder, "")
	if err != nil {
		return err
	}
	u, err := newUpgrade(ctx, folder, older, newer)
	if err != nil {
		return err
	}
	defer u.close()
	if err := u.runOlder(); err != nil {
		return fmt.Errorf("with the older binary: %w", err)
	}
	fmt.Fprintf(out, "left behind: %s\n", u.before)
	if err := u.runNewer(); err != nil {
		return fmt.Errorf("with the new binary: %w", err)
	}
	fmt.Fprintf(out, "%d events were sent to people after the upgrade\n", u.sentToPeople)
	for _, problem := range u.problems {
		fmt.Fprintln(out, "BROKEN:", problem)
	}
	if len(u.problems) > 0 {
		return fmt.Errorf("%d promises broken", len(u.problems))
	}
	fmt.Fprintln(out, "0 lost, 0 repeated, no id given twice")
	return nil
}

// binary returns the path that a variable names, or builds the binary of a commit in folder; without one, that of the
// work tree.
func binary(ctx context.Context, variable, folder, commit string) (string, error) {
	if named := os.Getenv(variable); named != "" {
		return filepath.Abs(named)
	}
	source, file := ".", filepath.Join(folder, strings.ToLower(variable))
	if commit != "" {
		source = filepath.Join(folder, "source")
		if err := os.Mkdir(source, 0o700); err != nil {
			return "", err
		}
		const script = `git archive "$0" | tar -x -C "$1"`
		archive := exec.CommandContext(ctx, "sh", "-c", script, commit, source) //nolint:gosec // ours
		if out, err := archive.CombinedOutput(); err != nil {
			return "", fmt.Errorf("unpack %s: %w: %s", commit, err, out)
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", file, ".") //nolint:gosec // ours
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the binary of %s: %w: %s", cmp.Or(commit, "the work tree"), err, out)
	}
	return file, nil
}
