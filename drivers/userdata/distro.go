package userdata

import (
	"encoding/pem"
	"fmt"
	"strings"
)

// distro is what an operating system has that others do not.
type distro struct {
	ignition    bool   // it reads Ignition instead of cloud-config
	programs    string // folder of programs of ours, which is writable
	authorities string // folder of certificates that the host trusts beside its own; what it makes of them is a program's work
	ending      string // of their files
}

// distros by their os_distro.
func distros() map[string]distro {
	debian := distro{programs: programDir, authorities: "/usr/local/share/ca-certificates", ending: ".crt"}
	return map[string]distro{
		"debian": debian,
		"ubuntu": debian,
		"rocky":  {programs: programDir, authorities: "/etc/pki/ca-trust/source/anchors", ending: ".pem"},
		// its /usr cannot be written to
		"flatcar": {ignition: true, programs: "/opt/jeroboam", authorities: "/etc/ssl/certs", ending: ".pem"},
	}
}

// authorityFiles puts each certificate of a bundle into a file of its own, since Debian passes over files with several.
func authorityFiles(h Host) []File {
	d := distros()[h.Distro]
	var files []File
	for block, rest := pem.Decode(h.Authorities); block != nil; block, rest = pem.Decode(rest) {
		name := fmt.Sprintf("%s/jeroboam-%d%s", d.authorities, len(files), d.ending)
		files = append(files, File{Path: name, Content: pem.EncodeToMemory(block)})
	}
	return files
}

// timeFile names the servers that the host takes the time from.
func timeFile(h Host) []File {
	if len(h.NTPServers) == 0 {
		return nil
	}
	return []File{{Path: timePath, Content: []byte(strings.Join(h.NTPServers, "\n") + "\n")}}
}

// place puts programs of ours where the host can have them, and says so to the units that run them.
func (d distro) place(f File) File {
	f.Path = strings.Replace(f.Path, programDir+"/", d.programs+"/", 1)
	f.Content = []byte(strings.ReplaceAll(string(f.Content), "="+programDir+"/", "="+d.programs+"/"))
	return f
}
