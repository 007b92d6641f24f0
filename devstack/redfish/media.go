package redfish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// The virtual drives of a system. Its next start sees what is in them.
const (
	cd  = "Cd"
	usb = "Usb"

	insertMedia = "Actions/VirtualMedia.InsertMedia"
	ejectMedia  = "Actions/VirtualMedia.EjectMedia"
)

var mediaTypes = map[string][]string{cd: {"CD", "DVD"}, usb: {"USBStick"}}

const (
	maxMedium = 1 << 30
	fetchTime = time.Minute
)

// medium is what is in a drive.
type medium struct{ image, file string }

// inDrive finds the drive that a request is about.
func inDrive(serve func(http.ResponseWriter, *http.Request, *System, string)) func(http.ResponseWriter, *http.Request, *System) {
	return func(w http.ResponseWriter, r *http.Request, x *System) {
		drive := r.PathValue("drive")
		if mediaTypes[drive] == nil {
			fail(w, http.StatusNotFound, "ResourceMissingAtURI", "there is no drive "+drive)
			return
		}
		serve(w, r, x, drive)
	}
}

func (x *System) inserted(drive string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.drives[drive].image
}

func insert(w http.ResponseWriter, r *http.Request, x *System, drive string) {
	var in struct {
		Image                    string
		Inserted, WriteProtected *bool
	}
	if !read(w, r, &in) {
		return
	}
	u, err := url.Parse(in.Image)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		fail(w, http.StatusBadRequest, "ActionParameterValueFormatError", "Image has to be an address that begins with http://")
		return
	}
	if in.Inserted != nil && !*in.Inserted || in.WriteProtected != nil && !*in.WriteProtected {
		fail(w, http.StatusBadRequest, "ActionParameterNotSupported", "Inserted and WriteProtected cannot be false")
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.drives[drive].image != "" {
		fail(w, http.StatusConflict, "ResourceInUse", "there is something in drive "+drive+" already")
		return
	}
	m := medium{image: in.Image, file: filepath.Join(x.folder, drive)}
	if err := fetch(r.Context(), m); err != nil {
		fail(w, http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	x.drives[drive] = m
	w.WriteHeader(http.StatusNoContent)
}

func eject(w http.ResponseWriter, _ *http.Request, x *System, drive string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	m := x.drives[drive]
	if m.image == "" {
		fail(w, http.StatusConflict, "ResourceInUse", "there is nothing in drive "+drive)
		return
	}
	delete(x.drives, drive)
	if err := os.Remove(m.file); err != nil {
		fail(w, http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

var errForeign = errors.New("not on loopback")

// client fetches from loopback alone, whoever sends it elsewhere.
var client = &http.Client{Timeout: fetchTime, Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err == nil && !net.ParseIP(host).IsLoopback() {
		err = errForeign
	}
	return err
}}).DialContext}}

// fetch writes what is at an address into a file.
func fetch(ctx context.Context, m medium) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.image, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", m.image, resp.Status)
	}
	f, err := os.OpenFile(m.file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(resp.Body, maxMedium+1))
	if err == nil && n > maxMedium {
		err = fmt.Errorf("%s has more than %d bytes", m.image, maxMedium)
	}
	return errors.Join(err, f.Close())
}
