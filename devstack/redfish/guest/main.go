// Command guest is all that runs on a machine behind the BMC, as its kernel's first process. It reads the config drive, says
// on the serial console what it found there, and powers off when the power button is pressed.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	console = "/dev/ttyS0"
	drive   = "/drive"
	modules = "/modules" // in the order of their names
	// patience with a drive that the kernel has not found yet
	patience = 30 * time.Second
	// powerKey of a keyboard or a button, and how the kernel writes down that it was pressed: two times of 8 bytes, then type,
	// code and value
	eventSize, keyEvent, powerKey = 24, 1, 116
)

func main() {
	out, err := prepare()
	if err == nil {
		err = serve(out)
	}
	fmt.Fprintln(out, "guest: failed:", err)
	for { // the kernel panics when its first process ends
		_ = unix.Pause()
	}
}

// prepare makes of a bare kernel what the rest needs.
func prepare() (io.Writer, error) {
	for _, m := range []struct{ name, kind string }{{"/dev", "devtmpfs"}, {"/proc", "proc"}} {
		if err := errors.Join(os.MkdirAll(m.name, 0o755), unix.Mount(m.kind, m.name, m.kind, 0, "")); err != nil && !errors.Is(err, unix.EBUSY) {
			return io.Discard, err
		}
	}
	out, err := os.OpenFile(console, os.O_RDWR, 0)
	if err != nil {
		return io.Discard, err
	}
	files, err := filepath.Glob(modules + "/*.ko")
	if err != nil {
		return out, err
	}
	for _, name := range files {
		image, err := os.ReadFile(name)
		if err == nil {
			err = unix.InitModule(image, "")
		}
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return out, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// serve tells of the config drive, then waits for the power button.
func serve(out io.Writer) error {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	if err := mount(); err != nil {
		return err
	}
	var meta struct{ Hostname, UUID string }
	text, err := os.ReadFile(drive + "/openstack/latest/meta_data.json")
	if err == nil {
		err = json.Unmarshal(text, &meta)
	}
	if err != nil {
		return err
	}
	user, err := os.ReadFile(drive + "/openstack/latest/user_data")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "guest: boot=%s hostname=%s uuid=%s user_data=%x\n", strings.TrimSpace(string(boot)), meta.Hostname, meta.UUID, sha256.Sum256(user))
	if err := button(); err != nil {
		return err
	}
	fmt.Fprintln(out, "guest: the power button was pressed")
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// mount finds the config drive among the disks: an ISO 9660 file system that is called so.
func mount() error {
	if err := os.MkdirAll(drive, 0o755); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		disks, err := filepath.Glob("/dev/vd*")
		if err != nil {
			return err
		}
		for _, name := range disks {
			if label(name) == "config-2" {
				return unix.Mount(name, drive, "iso9660", unix.MS_RDONLY, "")
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no config drive among the disks %v", disks)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// label of an ISO 9660 file system; it stands in its first descriptor.
func label(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	text := make([]byte, 72)
	if _, err := f.ReadAt(text, 16*2048); err != nil || string(text[1:6]) != "CD001" {
		return ""
	}
	return strings.TrimSpace(string(text[40:]))
}

// button returns when any of the power buttons was pressed.
func button() error {
	files, err := filepath.Glob("/dev/input/event*")
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no buttons: %w", err)
	}
	pressed := make(chan error, len(files))
	for _, name := range files {
		go func() { pressed <- wait(name) }()
	}
	return <-pressed
}

func wait(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	event := make([]byte, eventSize)
	for {
		if _, err := io.ReadFull(f, event); err != nil {
			return err
		}
		if event[16] == keyEvent && event[18] == powerKey {
			return nil
		}
	}
}
