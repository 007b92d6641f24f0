// Command jeroboam-manage prepares what the services need: the database's tables, sample files, keys.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

//go:generate go run . sample-config --output ../../etc/jeroboam.conf.sample
//go:generate go run . sample-policy --output ../../etc/policy.yaml.sample

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := manage{stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ()}.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
