package namespaces

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// loopMajor is the number of the kernel's driver for disks that are files.
const loopMajor = 7

// volumes are disks beside those that hosts boot from: sparse files behind loop devices, which the kernel lets go when this
// process does and nothing is mounted any more. A host sees one where KVM would show it to him.
type volumes struct {
	folder  string
	log     *slog.Logger
	process func(hostID string) (pid int, on bool)
	wake    chan struct{}
	end     chan struct{}
	ended   chan struct{}

	mu    sync.Mutex
	disks []sim.PictureDisk
	there map[string]*volume // of the worker alone
}

// volume is one that is attached.
type volume struct {
	device *os.File
	number int // of the loop device
	host   string
	pid    int // of the host that sees it; 0: it does not yet
}

func newVolumes(folder string, log *slog.Logger, process func(string) (int, bool)) *volumes {
	v := &volumes{folder: folder, log: log, process: process, wake: make(chan struct{}, 1), end: make(chan struct{}), ended: make(chan struct{}), there: map[string]*volume{}}
	go v.work()
	return v
}

func (v *volumes) show(p sim.Picture) {
	v.mu.Lock()
	v.disks = p.Disks
	v.mu.Unlock()
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

func (v *volumes) close() {
	close(v.end)
	<-v.ended
}

func (v *volumes) work() {
	defer close(v.ended)
	tick := time.NewTicker(time.Second) // hosts start and restart
	defer tick.Stop()
	for {
		select {
		case <-v.end:
			for _, x := range v.there {
				_ = x.device.Close()
			}
			return
		case <-v.wake:
		case <-tick.C:
		}
		v.mu.Lock()
		disks := v.disks
		v.mu.Unlock()
		if err := v.apply(disks); err != nil {
			v.log.Error("disks are not what the cloud wants", "error", err)
		}
	}
}

// apply attaches and detaches.
func (v *volumes) apply(disks []sim.PictureDisk) error {
	wanted := map[string]string{}
	for _, d := range disks {
		wanted[d.Volume] = d.Host
	}
	var errs []error
	for id, x := range v.there {
		if wanted[id] != x.host {
			errs = append(errs, v.hide(id, x), x.device.Close())
			delete(v.there, id)
		}
	}
	for _, d := range disks {
		pid, on := v.process(d.Host)
		if !on {
			continue
		}
		x := v.there[d.Volume]
		if x == nil {
			var err error
			if x, err = v.open(d); err != nil {
				errs = append(errs, err)
				continue
			}
			v.there[d.Volume] = x
		}
		if x.pid != pid {
			errs = append(errs, v.reveal(d.Volume, x, pid))
		}
	}
	return errors.Join(errs...)
}

// open puts a volume's file behind a loop device.
func (v *volumes) open(d sim.PictureDisk) (*volume, error) {
	fail := func(err error) (*volume, error) { return nil, fmt.Errorf("attach volume %s: %w", d.Volume, err) }
	file, err := os.OpenFile(filepath.Join(v.folder, "volume-"+d.Volume), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fail(err)
	}
	defer file.Close() // the device has it then
	if err := file.Truncate(int64(d.GiB) << 30); err != nil {
		return fail(err)
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return fail(err)
	}
	defer control.Close()
	number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return fail(err)
	}
	device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", number), os.O_RDWR, 0)
	if err != nil {
		return fail(err)
	}
	config := &unix.LoopConfig{Fd: uint32(file.Fd())}
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	if err := unix.IoctlLoopConfigure(int(device.Fd()), config); err != nil { // somebody else was quicker: the next look takes another
		_ = device.Close()
		return fail(err)
	}
	return &volume{device: device, number: number, host: d.Host}, nil
}

// byID is the name that udev would give the disk in a host: of a serial number KVM passes on twenty characters.
func byID(id string) string { return "/dev/disk/by-id/virtio-" + id[:min(len(id), 20)] }

// reveal makes the device known in a host.
func (v *volumes) reveal(id string, x *volume, pid int) error {
	path := fmt.Sprintf("/dev/loop%d", x.number)
	script := fmt.Sprintf("mkdir -p /dev/disk/by-id; [ -e %[1]s ] || mknod %[1]s b %[2]d %[3]d; ln -sf %[1]s %[4]s", path, loopMajor, x.number, byID(id))
	if err := inHost(pid, script); err != nil {
		return fmt.Errorf("show volume %s to host %s: %w", id, x.host, err)
	}
	x.pid = pid
	return nil
}

// hide takes it away again, from a host that is on.
func (v *volumes) hide(id string, x *volume) error {
	if pid, on := v.process(x.host); !on || pid != x.pid {
		return nil
	}
	return inHost(x.pid, fmt.Sprintf("rm -f %s /dev/loop%d", byID(id), x.number))
}

func inHost(pid int, script string) error {
	out, err := exec.Command("nsenter", "--target", strconv.Itoa(pid), "--mount", "--", "/bin/sh", "-ec", script).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
