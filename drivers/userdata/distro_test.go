package userdata_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/coreos/ignition/v2/config/v3_4"
	ignition "github.com/coreos/ignition/v2/config/v3_4/types"

	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

// cloudAuthority is a certificate by which a cloud may be known.
const cloudAuthority = `-----BEGIN CERTIFICATE-----
MIIBjjCCATOgAwIBAgIUPwCArabbgC/HbQ6AsKtX7GPp1ScwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQRXhhbXBsZSBDbG91ZCBDQTAgFw0yNjExMjUyMzM1MjRaGA8y
MTI2MTEwMTIzMzUyNFowGzEZMBcGA1UEAwwQRXhhbXBsZSBDbG91ZCBDQTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABEeA4jXyVQCNk/VNBzOH0r60IAf4a6XpKXGc
ruyZjbQs0RQuPwYQHgMa+WVFwYWCoPQMXVaQAc7iYK6gn5QT7iKjUzBRMB0GA1Ud
DgQWBBQqWeWXL/0x2cG+Pcifwfpm9P051DAfBgNVHSMEGDAWgBQqWeWXL/0x2cG+
Pcifwfpm9P051DAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCJ
UjlCMkgf5HklqOVGdIZ25UX35/DvPkyvWYJRCX9A0AIhAN/Qweck9QE6KM3bfJy4
gc2pXWB4qHLfwlBhJOCdBA93
-----END CERTIFICATE-----
`

// on gives a host another operating system, the authorities of a cloud, and its time.
func on(distro string, h userdata.Host) userdata.Host {
	h.Distro, h.Authorities, h.NTPServers = distro, []byte(cloudAuthority+cloudAuthority), []string{"ntp.example.org", "192.0.2.123"}
	return h
}

// parseIgnition holds user data to Ignition's own rules.
func parseIgnition(t *testing.T, out []byte) ignition.Config {
	t.Helper()
	c, report, err := v3_4.Parse(out)
	if err != nil || len(report.Entries) > 0 {
		t.Fatalf("%v\n%s", err, report.String())
	}
	return c
}

func ignitionContent(t *testing.T, f ignition.File) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(*f.Contents.Source, "data:;base64,"))
	if err != nil {
		t.Fatalf("%s: %v", f.Path, err)
	}
	if f.Contents.Compression == nil {
		return string(raw)
	}
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%s: %v", f.Path, err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", f.Path, err)
	}
	return string(content)
}

// readableIgnition is it as a person reviews it.
func readableIgnition(t *testing.T, out []byte) []byte {
	t.Helper()
	c := parseIgnition(t, out)
	var b bytes.Buffer
	fmt.Fprintf(&b, "ignition %s\n", c.Ignition.Version)
	for _, u := range c.Passwd.Users {
		fmt.Fprintf(&b, "user %s %q\n", u.Name, u.SSHAuthorizedKeys)
	}
	for _, u := range c.Systemd.Units {
		if u.Contents != nil {
			fmt.Fprintf(&b, "\n===== unit %s enabled %v\n%s", u.Name, *u.Enabled, *u.Contents)
		}
		for _, d := range u.Dropins {
			fmt.Fprintf(&b, "\n===== drop-in %s of %s\n%s", d.Name, u.Name, *d.Contents)
		}
	}
	for _, f := range c.Storage.Files {
		fmt.Fprintf(&b, "\n===== %s %04o overwrite %v\n%s", f.Path, *f.Mode, *f.Overwrite, ignitionContent(t, f))
	}
	return b.Bytes()
}

func TestIgnitionHasTheWholeHost(t *testing.T) {
	h := on("flatcar", controlPlaneHost())
	h.ExtraFiles = []userdata.File{{Path: "/opt/x", Content: []byte{0, 1, 0xff}, Owner: "root:adm", Permissions: "0640"}, {Path: "/etc/systemd/system/own.service", Content: []byte("[Service]\nExecStart=/bin/true\n")}}
	c := parseIgnition(t, render(t, h))
	files := map[string]ignition.File{}
	for _, f := range c.Storage.Files {
		files[f.Path] = f
		if strings.HasPrefix(f.Path, "/usr/") || strings.HasPrefix(f.Path, "/etc/systemd/system/") {
			t.Errorf("%s cannot be written there, or is a unit", f.Path)
		}
	}
	if x := files["/opt/x"]; ignitionContent(t, x) != "\x00\x01\xff" || *x.Mode != 0o640 || x.User.Name == nil || *x.Group.Name != "adm" {
		t.Errorf("/opt/x: %+v", x)
	}
	if ignitionContent(t, files["/etc/hostname"]) != h.Name+"\n" || ignitionContent(t, files["/etc/kubernetes/pki/ca.key"]) != string(h.PKI.CA.PrivateKey) || *files["/etc/kubernetes/pki/ca.key"].Mode != 0o600 {
		t.Error("the host lacks its name or its keys")
	}
	units := map[string]ignition.Unit{}
	for _, u := range c.Systemd.Units {
		units[u.Name] = u
	}
	for unit, program := range map[string]string{"jeroboam-bootstrap.service": "/opt/jeroboam/jeroboam-bootstrap", "jeroboam-metadata-guard.service": "/opt/jeroboam/jeroboam-metadata-guard"} {
		if u := units[unit]; u.Contents == nil || !*u.Enabled || !strings.Contains(*u.Contents, "ExecStart="+program+"\n") || *files[program].Mode != 0o700 {
			t.Errorf("%s: %+v", unit, u)
		}
	}
	if u := units["kubelet.service"]; u.Contents != nil || u.Enabled != nil || len(u.Dropins) != 1 {
		t.Errorf("the kubelet's unit is the image's, with a drop-in of ours: %+v", u)
	}
	if u := units["own.service"]; u.Contents == nil || u.Enabled != nil {
		t.Errorf("an extra unit: %+v", u)
	}
}

func TestAuthoritiesAndTime(t *testing.T) {
	for distro, file := range map[string]string{"ubuntu": "/usr/local/share/ca-certificates/jeroboam-1.crt", "debian": "/usr/local/share/ca-certificates/jeroboam-1.crt",
		"rocky": "/etc/pki/ca-trust/source/anchors/jeroboam-1.pem"} {
		t.Run(distro, func(t *testing.T) {
			h := on(distro, workerHost())
			if got := parse(t, render(t, h)).file(t, file).Content; got != cloudAuthority {
				t.Errorf("%s has\n%s", file, got)
			}
			s := newSandbox(t, h, "touch $k/kubelet.conf")
			chrony := map[string]string{"ubuntu": "etc/chrony/chrony.conf", "debian": "etc/chrony/chrony.conf", "rocky": "etc/chrony.conf"}[distro]
			s.write(chrony, "pool 2.pool.example.net iburst\nsourcedir /run/chrony-dhcp\ndriftfile /var/lib/chrony/drift\n")
			update := map[string]string{"rocky": "update-ca-trust"}[distro]
			if update == "" {
				update = "update-ca-certificates"
			}
			s.write("bin/"+update, "#!/bin/bash\necho "+update+" >>\"$ROOT/calls\"\n")
			if err := s.run(); err != nil {
				t.Fatalf("%v\n%s", err, s.read("var/log/jeroboam-bootstrap.log"))
			}
			if got := s.plain(chrony); got != "driftfile /var/lib/chrony/drift\nserver ntp.example.org iburst\nserver 192.0.2.123 iburst\n" {
				t.Errorf("chrony:\n%s", got)
			}
			if got := s.read("etc/systemd/timesyncd.conf.d/90-jeroboam.conf"); got != "[Time]\nNTP=ntp.example.org 192.0.2.123 \n" {
				t.Errorf("timesyncd:\n%s", got)
			}
			calls := s.read("calls")
			if at := strings.Index(calls, update); at < 0 || at > strings.Index(calls, "restart containerd") {
				t.Errorf("the authorities are not known before containerd starts:\n%s", calls)
			}
		})
	}
}
