package redfish

import (
	"errors"
	"net/http"
	"slices"
	"sync"
)

// Machine is what a system powers. It is called by one at a time.
type Machine interface {
	// Start gives it power; it boots from the CD, when there is one. The channel is closed when it has no power any more, be
	// it that it was cut, or that the machine has powered itself off.
	Start(Media) (<-chan struct{}, error)
	// Stop cuts its power.
	Stop() error
	// Press presses its power button: what comes of that is up to the machine.
	Press() error
	// Interrupt raises a non-maskable interrupt.
	Interrupt() error
}

// Media are the files behind a machine's drives, "" where nothing is in them.
type Media struct {
	CD   string // to boot from
	Disk string
}

const (
	reset  = "Actions/ComputerSystem.Reset"
	legacy = "Legacy" // as opposed to UEFI
)

// What a system can be asked for.
var (
	resets  = []string{"On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "Nmi", "PushPowerButton"}
	targets = []string{"None", "Cd", "Hdd"}
	periods = []string{"Disabled", "Once", "Continuous"}
)

// boot says from what a system boots next.
type boot struct{ Target, Enabled string }

// System is one machine with its BMC.
type System struct {
	id, mac, folder string
	machine         Machine

	mu      sync.Mutex
	closed  bool
	boot    boot
	drives  map[string]medium
	down    <-chan struct{} // of the last start; nil: there was none
	restart bool            // once it is down
	refusal string          // to power on
	hold    string          // refusal to power off
	waiting sync.WaitGroup
}

func newSystem(id, mac, folder string, m Machine) *System {
	return &System{id: id, mac: mac, folder: folder, machine: m, boot: boot{"None", "Disabled"}, drives: map[string]medium{}}
}

// ID of the system: its place is Path.
func (x *System) ID() string { return x.id }

// MAC is the address of its network card.
func (x *System) MAC() string { return x.mac }

// Path is the place of the system in its service.
func (x *System) Path() string { return x.path() }

// Folder is where its machine writes.
func (x *System) Folder() string { return x.folder }

// On tells whether it has power.
func (x *System) On() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.on()
}

// Inserted is the address of what is in each of its drives.
func (x *System) Inserted() []string {
	var l []string
	for _, drive := range []string{cd, usb} {
		if image := x.inserted(drive); image != "" {
			l = append(l, image)
		}
	}
	return l
}

// Refuse has the BMC answer with a text when it is asked to power on; "" ends that.
func (x *System) Refuse(text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.refusal = text
}

// Hold has the BMC answer with a text when it is asked to power off at once; "" ends that.
func (x *System) Hold(text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.hold = text
}

func (x *System) path() string    { return root + "Systems/" + x.id }
func (x *System) manager() string { return root + "Managers/" + x.id }

func (x *System) view() (on bool, b boot) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.on(), x.boot
}

// on tells whether it has power. x.mu is held, as below.
func (x *System) on() bool {
	if x.down == nil {
		return false
	}
	select {
	case <-x.down:
		return false
	default:
		return true
	}
}

// close cuts the power for good.
func (x *System) close() error {
	x.mu.Lock()
	x.closed = true
	err := x.off()
	x.mu.Unlock()
	x.waiting.Wait()
	return err
}

// start gives it power. Where a restart is asked for meanwhile, it is started again when it has gone down.
func (x *System) start() error {
	if x.closed || x.on() {
		return nil
	}
	var m Media
	m.Disk = x.drives[usb].file
	if x.boot.Target == "Cd" && x.boot.Enabled != "Disabled" {
		m.CD = x.drives[cd].file
	}
	down, err := x.machine.Start(m)
	if err != nil {
		return err
	}
	x.down, x.restart = down, false
	if x.boot.Enabled == "Once" {
		x.boot = boot{"None", "Disabled"}
	}
	x.waiting.Go(func() {
		<-down
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.restart && x.down == down {
			_ = x.start() // nobody is there to be told: it stays off
		}
	})
	return nil
}

func (x *System) off() error {
	x.restart = false
	if !x.on() {
		return nil
	}
	err := x.machine.Stop()
	<-x.down
	return err
}

func resetSystem(w http.ResponseWriter, r *http.Request, x *System) {
	var in struct{ ResetType string }
	if !read(w, r, &in) {
		return
	}
	if !slices.Contains(resets, in.ResetType) {
		fail(w, http.StatusBadRequest, "ActionParameterNotSupported", "there is no ResetType "+in.ResetType)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	var no refused
	switch err := x.reset(in.ResetType); {
	case errors.As(err, &no):
		fail(w, http.StatusServiceUnavailable, "GeneralError", string(no))
	case errors.Is(err, errOff):
		fail(w, http.StatusConflict, "ActionNotSupported", in.ResetType+": "+err.Error())
	case err != nil:
		fail(w, http.StatusInternalServerError, "InternalError", err.Error())
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

var errOff = errors.New("the system has no power")

// refused is what the BMC says when it does not do what it is asked for.
type refused string

func (r refused) Error() string { return string(r) }

func (x *System) reset(how string) error {
	powersOn := how == "On" || how == "ForceRestart" || how == "GracefulRestart" || how == "PushPowerButton" && !x.on()
	switch {
	case powersOn && x.refusal != "":
		return refused(x.refusal)
	case how == "ForceOff" && x.hold != "":
		return refused(x.hold)
	case how == "On" || how == "PushPowerButton" && !x.on():
		return x.start()
	case how == "ForceOff":
		return x.off()
	case !x.on():
		return errOff
	case how == "ForceRestart":
		return errors.Join(x.off(), x.start())
	case how == "Nmi":
		return x.machine.Interrupt()
	}
	x.restart = how == "GracefulRestart"
	return x.machine.Press()
}

func changeSystem(w http.ResponseWriter, r *http.Request, x *System) {
	var in struct {
		Boot struct{ BootSourceOverrideTarget, BootSourceOverrideEnabled, BootSourceOverrideMode *string }
	}
	if !read(w, r, &in) {
		return
	}
	for _, f := range []struct {
		name    string
		value   *string
		allowed []string
	}{
		{"BootSourceOverrideTarget", in.Boot.BootSourceOverrideTarget, targets}, {"BootSourceOverrideEnabled", in.Boot.BootSourceOverrideEnabled, periods},
		{"BootSourceOverrideMode", in.Boot.BootSourceOverrideMode, []string{legacy}},
	} {
		if f.value != nil && !slices.Contains(f.allowed, *f.value) {
			fail(w, http.StatusBadRequest, "PropertyValueNotInList", f.name+" cannot be "+*f.value)
			return
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if v := in.Boot.BootSourceOverrideTarget; v != nil {
		x.boot.Target = *v
	}
	if v := in.Boot.BootSourceOverrideEnabled; v != nil {
		x.boot.Enabled = *v
	}
	w.WriteHeader(http.StatusNoContent)
}
