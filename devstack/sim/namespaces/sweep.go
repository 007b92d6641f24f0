package namespaces

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// prefix of the names of all beds.
const prefix = "jeroboam-bed-"

// claim makes the folder of a bed, with a lock in it that is held as long as the process lives.
func claim(folder string) (*os.File, error) {
	if err := os.Mkdir(folder, 0o711); err != nil {
		return nil, fmt.Errorf("make the folder of the test bed: %w", err)
	}
	f, err := os.OpenFile(lockOf(folder), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the test bed: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the test bed: %w", err), f.Close())
	}
	return f, nil
}

func lockOf(folder string) string { return filepath.Join(folder, "lock") }

// sweep takes away what beds have left whose process is gone. Their hosts went with it, by the kernel's hand.
func sweep(folder string, g groups) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("look for what is left of earlier test beds: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		path := filepath.Join(folder, e.Name())
		abandoned, err := abandoned(path)
		if err != nil {
			return err
		}
		if !abandoned {
			continue
		}
		err = g.remove(e.Name())
		if err == nil { // the folder goes last: by it the rest is found
			err = os.RemoveAll(path)
		}
		if err != nil {
			return fmt.Errorf("sweep %s: %w", path, err)
		}
	}
	return nil
}

// abandoned tells that nobody holds the lock of a bed. One without a lock died before it had any host.
func abandoned(folder string) (bool, error) {
	f, err := os.Open(lockOf(folder))
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
