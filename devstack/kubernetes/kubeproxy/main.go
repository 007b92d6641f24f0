// Command kubeproxy stands in front of the real kube-proxy in its image, and starts it. The number of connections that a
// kernel follows is for the first network namespace to set; kube-proxy takes it for a failure that it cannot, so in a host
// that is only a namespace it is given a file to write it to.
package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

const (
	program = "/usr/local/bin/kube-proxy.real"
	setting = "/proc/sys/net/netfilter/nf_conntrack_max"
	standIn = "/run/nf_conntrack_max"
)

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "kube-proxy:", err)
		os.Exit(1)
	}
}

func start() error {
	if f, err := os.OpenFile(setting, os.O_WRONLY, 0); err == nil {
		_ = f.Close()
	} else if !errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(standIn, []byte("0\n"), 0o600); err != nil {
			return err
		}
		if err := syscall.Mount(standIn, setting, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("stand in for %s: %w", setting, err)
		}
	}
	return syscall.Exec(program, append([]string{"kube-proxy"}, os.Args[1:]...), os.Environ())
}
