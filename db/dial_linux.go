package db

import (
	"errors"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// endSilence bounds how long what was sent may stay unacknowledged; the kernel's own time for that is a quarter of an hour.
func endSilence(network, _ string, c syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var err error
	failed := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silenceTime.Milliseconds())) //nolint:gosec // a descriptor fits
	})
	return errors.Join(failed, err)
}
