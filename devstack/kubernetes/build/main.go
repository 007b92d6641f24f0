// Command build makes the real Kubernetes for tests, or tells what of it is missing.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
)

func main() {
	check := flag.Bool("check", false, "build nothing; exit with 1 and tell what is missing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, *check, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, check bool, stdout, stderr io.Writer) int {
	cache, err := kubernetes.OpenCache()
	if err != nil {
		fmt.Fprintln(stderr, "kubernetes:", err)
		return 1
	}
	if check {
		if missing := cache.Missing(); len(missing) > 0 {
			fmt.Fprintf(stderr, "the cache %s has not: %s\n`make kubernetes-binaries` makes it\n", cache.Folder(), strings.Join(missing, " "))
			return 1
		}
		fmt.Fprintln(stdout, "everything is in", cache.Folder())
		return 0
	}
	source, err := os.Getwd()
	if err == nil {
		err = cache.Build(ctx, source, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "kubernetes:", err)
		return 1
	}
	return 0
}
