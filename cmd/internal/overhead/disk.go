package overhead

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"syscall"
)

const (
	diskSize  = 64 * mebi
	blockSize = 4096
)

// disk writes what has to be on the disk before it goes on: a large file as a whole, and small blocks one by one, which is
// what databases and etcd do. Reading is left out: it would mostly measure the host's cache.
func disk(ctx context.Context, t Task) (figures []Figure, err error) {
	file, err := os.CreateTemp(cmp.Or(t.Folder, os.TempDir()), "jeroboam-bench-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = file.Close()
		if removed := os.Remove(file.Name()); err == nil {
			err = removed
		}
	}()
	size := cmp.Or(t.Bytes, diskSize)
	text := make([]byte, size)
	for i := range text {
		text[i] = byte(i * 31)
	}
	write, err := sample(ctx, t, "disk write", "MiB/s", func() (float64, error) {
		return float64(size) / mebi, synced(file, text, 0)
	})
	if err != nil {
		return nil, err
	}
	at := 0
	blocks, err := sample(ctx, t, "disk synced blocks", "1/s", func() (float64, error) {
		at = (at + 7*blockSize) % max(size-blockSize, 1)
		return 1, synced(file, text[at:at+min(blockSize, size-at)], int64(at))
	})
	return []Figure{write, blocks}, err
}

func synced(file *os.File, text []byte, at int64) error {
	if _, err := file.WriteAt(text, at); err != nil {
		return err
	}
	if err := syscall.Fdatasync(int(file.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", file.Name(), err)
	}
	return nil
}
