package userdata_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

var update = flag.Bool("update", false, "write the golden files")

// readable is user data as a person reviews it: the cloud-config, then every file as it will be on the host.
func readable(t *testing.T, out []byte) []byte {
	t.Helper()
	c := parse(t, out)
	var b bytes.Buffer
	fmt.Fprintf(&b, "hostname %s, fqdn %s, manage_etc_hosts %v, preserve_hostname %v, ssh_pwauth %v, package_update %v\n",
		c.Hostname, c.FQDN, c.ManageEtcHosts, c.PreserveHostname, c.SSHPasswordAuth, c.PackageUpdate)
	fmt.Fprintf(&b, "ssh_authorized_keys %q\nruncmd %q\nfinal_message %q\n", c.SSHAuthorizedKeys, c.RunCmd, c.FinalMessage)
	for _, f := range c.WriteFiles {
		fmt.Fprintf(&b, "\n===== %s %s %s (%s)\n%s", f.Path, f.Owner, f.Permissions, f.Encoding, f.Content)
	}
	return b.Bytes()
}

func readableAs(distro string) func(*testing.T, []byte) []byte {
	if distro == "flatcar" {
		return readableIgnition
	}
	return readable
}

func TestGolden(t *testing.T) {
	for name, host := range goldenHosts() {
		t.Run(name, func(t *testing.T) {
			got := readableAs(host.Distro)(t, render(t, host))
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
				t.Errorf("differs from %s (-update writes it):\n%s", path, diff)
			}
		})
	}
}

func TestRenderIsDeterministic(t *testing.T) {
	first := render(t, workerHost())
	for range 20 {
		if !bytes.Equal(first, render(t, workerHost())) {
			t.Fatal("the same host was rendered in two ways")
		}
	}
}

func TestRenderSize(t *testing.T) {
	if size := base64.StdEncoding.EncodedLen(len(render(t, initHost()))); size > 32*1024 {
		t.Errorf("an ordinary control plane takes %d bytes, over half of what there is", size)
	}
	// What does not compress: the limit is on the very last byte.
	noise := func(n int) userdata.Host {
		h := workerHost()
		content := make([]byte, n)
		state := uint32(1)
		for i := range content {
			state = state*1664525 + 1013904223
			content[i] = byte(state >> 24)
		}
		h.ExtraFiles = []userdata.File{{Path: "/opt/noise", Content: content}}
		return h
	}
	low, high := 0, 100_000
	for high-low > 1 {
		middle := (low + high) / 2
		if _, err := userdata.Render(noise(middle)); err == nil {
			low = middle
		} else {
			high = middle
		}
	}
	if size := base64.StdEncoding.EncodedLen(len(render(t, noise(low)))); size > 65535 || size < 65500 {
		t.Errorf("the largest result has %d bytes", size)
	}
	_, err := userdata.Render(noise(high))
	var tooLarge *userdata.SizeError
	if !errors.As(err, &tooLarge) || tooLarge.Size <= 65535 || !strings.Contains(err.Error(), fmt.Sprint(tooLarge.Size)) {
		t.Errorf("error %v", err)
	}
}

func TestBinaryFilesSurvive(t *testing.T) {
	contents := [][]byte{nil, []byte("plain\n"), []byte("tab\tand\r\n"), {0, 1, 0xff}, []byte(" leading\n\n\n"), []byte("a: b\n#x\n---\n"),
		[]byte("\u2028\u0085\ufeff\U0001F37E"), bytes.Repeat([]byte("long\n"), 5000), []byte("no newline"), []byte("'\"\\${x}$(id)`id`")}
	for _, content := range contents {
		h := workerHost()
		h.ExtraFiles = []userdata.File{{Path: "/opt/x", Content: content, Owner: "root:adm", Permissions: "0640"}}
		f := parse(t, render(t, h)).file(t, "/opt/x")
		if f.Content != string(content) || f.Owner != "root:adm" || f.Permissions != "0640" {
			t.Errorf("%.40q came back as %.40q, %s, %s", content, f.Content, f.Owner, f.Permissions)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	h := workerHost()
	h.PKI = testPKI()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		out := fmt.Sprintf(verb+verb+verb+verb, h, *h.PKI, h.PKI.CA, h.ExtraFiles)
		if strings.Contains(out, token) || strings.Contains(out, "BEGIN") || strings.Contains(out, "mirror") {
			t.Errorf("%s prints %.200s", verb, out)
		}
	}
	h.BootstrapToken, h.Proxy.HTTP = "Secret.secret", "http://user:pass word@proxy"
	_, err := userdata.Render(h)
	if err == nil || strings.Contains(err.Error(), "ecret") || strings.Contains(err.Error(), "pass") {
		t.Errorf("error %v", err)
	}
}

func TestSplitLabels(t *testing.T) {
	kubelet, administrator := userdata.SplitLabels(map[string]string{
		"plain": "1", "example.org/x": "2", "topology.kubernetes.io/zone": "3", "node.kubernetes.io/any": "4",
		"sub.kubelet.kubernetes.io/any": "5", "notkubernetes.io/x": "6",
		"node-role.kubernetes.io/worker": "7", "node-restriction.kubernetes.io/x": "8", "kubernetes.io/x": "9", "a.k8s.io/x": "10",
	})
	if len(kubelet) != 6 || len(administrator) != 4 || administrator["node-role.kubernetes.io/worker"] != "7" || kubelet["plain"] != "1" {
		t.Errorf("kubelet %v, administrator %v", kubelet, administrator)
	}
}
