package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "module:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("module "+command, flag.ContinueOnError)
	switch command {
	case "rename":
		if err := flags.Parse(args); err != nil {
			return err
		}
		return runRename(flags.Arg(0), out)
	case "check":
		example := flags.String("example", "examples/chat", "the folder of an application that imports the module")
		keep := flags.Bool("keep", false, "keep the copy, to look at it")
		if err := flags.Parse(args); err != nil {
			return err
		}
		return check(ctx, *example, *keep, out)
	}
	return fmt.Errorf("unknown command %q: rename or check", command)
}

func runRename(path string, out io.Writer) error {
	former, changed, err := rename(".", path)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is now %s: %d files changed\n", former, path, changed)
	return nil
}
