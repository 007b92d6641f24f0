package namespaces

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// consoleLines is how much of a console is kept.
const consoleLines = 2000

// console is a terminal whose other end is the host's.
type console struct {
	master *os.File
	tty    *os.File // keeps the terminal open between boots
	mu     sync.Mutex
	lines  []string
}

func openConsole() (*console, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a console: %w", err)
	}
	var number, unlock uint32
	for _, call := range []struct {
		request uintptr
		value   *uint32
	}{{syscall.TIOCSPTLCK, &unlock}, {syscall.TIOCGPTN, &number}} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), call.request, uintptr(unsafe.Pointer(call.value))); errno != 0 {
			_ = master.Close()
			return nil, fmt.Errorf("open a console: %w", errno)
		}
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		_ = master.Close()
		return nil, fmt.Errorf("open a console: %w", err)
	}
	c := &console{master: master, tty: tty}
	go c.read()
	return c, nil
}

func (c *console) read() {
	for lines := bufio.NewScanner(c.master); lines.Scan(); {
		c.say(strings.TrimRight(lines.Text(), "\r"))
	}
}

func (c *console) say(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
	if extra := len(c.lines) - consoleLines; extra > 0 {
		c.lines = slices.Delete(c.lines, 0, extra)
	}
}

func (c *console) last() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

func (c *console) close() {
	_ = c.tty.Close()
	_ = c.master.Close()
}
