package kubernetes

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// webServers is user data: servers at two ports that come back with the host, and a note of each first boot.
const webServers = `#cloud-config
write_files:
- path: /etc/systemd/system/web@.service
  content: |
    [Service]
    ExecStart=/usr/bin/python3 -m http.server %i --directory /usr/share/python3
    [Install]
    WantedBy=multi-user.target
runcmd:
- [sh, -c, "echo first >>/root/boots; systemctl daemon-reload; systemctl enable --now web@8080 web@9090"]
`

// TestHosts holds the test bed itself to what it says: hosts boot, restart and go, and their network keeps its rules.
func TestHosts(t *testing.T) {
	before := beds(t)
	b := newCloud(t)
	w := &wired{bed: b}
	w.lay()
	ids := map[string]string{}
	for _, name := range []string{"one", "two"} {
		ids[name] = w.boot(name)
	}
	for _, name := range []string{"one", "two"} {
		w.reaches(name, "http://127.0.0.1:8080", true)
	}
	t.Run("security groups", func(t *testing.T) {
		w := w.as(t)
		w.reaches("two", "http://"+w.address["one"]+":8080", true)
		w.reaches("two", "http://"+w.address["one"]+":9090", false)
		w.rule(9090)
		w.reaches("two", "http://"+w.address["one"]+":9090", true)
	})
	t.Run("an address of somebody else's", func(t *testing.T) {
		w := w.as(t)
		if out, err := w.on("two", "ip", "address", "add", "10.9.0.200/24", "dev", "eth0"); err != nil {
			t.Fatal(err, out)
		}
		if out, err := w.on("two", "curl", "-sS", "--max-time", "3", "--interface", "10.9.0.200", "-o", "/dev/null", "http://"+w.address["one"]+":8080"); err == nil {
			t.Errorf("it was let through: %s", out)
		}
	})
	t.Run("floating IP", func(t *testing.T) { w.as(t).floats("one") })
	t.Run("volume", func(t *testing.T) { w.as(t).carries(ids) })
	t.Run("reboot", func(t *testing.T) {
		w := w.as(t)
		w.mark("one")
		w.act(ids["one"], "reboot", map[string]any{"type": "HARD"})
		w.restarted("one", 1, true)
	})
	t.Run("kernel panic", func(t *testing.T) {
		w := w.as(t)
		w.mark("one")
		if err := w.hosts.Panic(ids["one"]); err != nil {
			t.Fatal(err)
		}
		w.silent("two", "http://"+w.address["one"]+":8080")
		if status := w.status(ids["one"]); status != "ACTIVE" {
			t.Errorf("the cloud has it %s", status)
		}
		w.act(ids["one"], "reboot", map[string]any{"type": "HARD"})
		w.restarted("one", 1, true)
	})
	t.Run("stop and start", func(t *testing.T) {
		w := w.as(t)
		w.mark("one")
		w.act(ids["one"], "os-stop", nil)
		testenv.Eventually(t, time.Minute, "the server to be off", func() bool { return w.status(ids["one"]) == "SHUTOFF" })
		w.reaches("two", "http://"+w.address["one"]+":8080", false)
		w.act(ids["one"], "os-start", nil)
		w.restarted("one", 1, true)
	})
	t.Run("rebuild", func(t *testing.T) {
		w := w.as(t)
		w.mark("one")
		w.act(ids["one"], "rebuild", map[string]any{"imageRef": w.image()})
		w.restarted("one", 1, false)
	})
	t.Run("delete", func(t *testing.T) {
		w := w.as(t)
		if err := w.ask(w.compute, http.MethodDelete, w.compute.ServiceURL("servers", ids["one"]), nil, nil); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, time.Minute, "the server to be gone", func() bool { return len(w.servers()) == 1 })
	})
	b.cloud.Close()
	if left := slices.DeleteFunc(beds(t), func(path string) bool { return slices.Contains(before, path) }); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// beds are the folders and control groups of all that there are, or that anybody has left.
func beds(t *testing.T) []string {
	t.Helper()
	folders, err1 := filepath.Glob(filepath.Join(cache(t).Nodes(), "*"))
	groups, err2 := filepath.Glob("/sys/fs/cgroup/*/jeroboam-bed-*")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return append(folders, groups...)
}

// wired is a network with hosts on it.
type wired struct {
	*bed
	net, subnet, group string
	address, port      map[string]string
}

func (w *wired) as(t *testing.T) *wired {
	own, b := *w, *w.bed
	b.T = t
	own.bed = &b
	return &own
}

// make makes an object of Neutron's or Nova's and gives it.
func (b *bed) make(c *gophercloud.ServiceClient, path, kind string, fields map[string]any) map[string]any {
	b.Helper()
	var out map[string]map[string]any
	if err := b.ask(c, http.MethodPost, c.ServiceURL(path), map[string]any{kind: fields}, &out); err != nil {
		b.Fatal(err)
	}
	return out[kind]
}

func id(m map[string]any) string {
	s, _ := m["id"].(string)
	return s
}

// lay makes network, router and security group.
func (w *wired) lay() {
	w.Helper()
	w.net = id(w.make(w.network, "networks", "network", map[string]any{"name": "wired"}))
	w.subnet = id(w.make(w.network, "subnets", "subnet", map[string]any{"network_id": w.net, "ip_version": 4, "cidr": "10.9.0.0/24"}))
	w.group = id(w.make(w.network, "security-groups", "security_group", map[string]any{"name": "web"}))
	w.rule(8080)
	router := id(w.make(w.network, "routers", "router", map[string]any{"external_gateway_info": map[string]any{"network_id": w.public()}}))
	if err := w.ask(w.network, http.MethodPut, w.network.ServiceURL("routers", router, "add_router_interface"), map[string]any{"subnet_id": w.subnet}, nil); err != nil {
		w.Fatal(err)
	}
	w.address, w.port = map[string]string{}, map[string]string{}
}

func (w *wired) public() string {
	w.Helper()
	var out struct{ Networks []map[string]any }
	if err := w.ask(w.network, http.MethodGet, w.network.ServiceURL("networks")+"?name=public", nil, &out); err != nil || len(out.Networks) != 1 {
		w.Fatal(err, out)
	}
	return id(out.Networks[0])
}

// rule lets everybody reach a port.
func (w *wired) rule(port int) {
	w.Helper()
	w.make(w.network, "security-group-rules", "security_group_rule", map[string]any{"security_group_id": w.group, "direction": "ingress", "protocol": "tcp", "port_range_min": port, "port_range_max": port})
}

func (w *wired) image() string {
	w.Helper()
	var out struct{ Images []map[string]any }
	if err := w.ask(w.compute, http.MethodGet, w.cloud.URL()+"/image/v2/images?name="+imageName(binaries.Releases()[0].Kubernetes), nil, &out); err != nil || len(out.Images) != 1 {
		w.Fatal(err, out)
	}
	return id(out.Images[0])
}

// boot makes a server with the web servers.
func (w *wired) boot(name string) string {
	w.Helper()
	port := w.make(w.network, "ports", "port", map[string]any{"network_id": w.net, "security_groups": []string{w.group}})
	w.port[name] = id(port)
	if ips, ok := port["fixed_ips"].([]any); ok {
		w.address[name], _ = ips[0].(map[string]any)["ip_address"].(string)
	}
	return id(w.make(w.compute, "servers", "server", map[string]any{"name": name, "flavorRef": "3", "imageRef": w.image(), "networks": []any{map[string]any{"port": id(port)}},
		"user_data": base64.StdEncoding.EncodeToString([]byte(webServers))}))
}

// carries takes a volume with a file system from one host to the other.
func (w *wired) carries(ids map[string]string) {
	w.Helper()
	volume := w.make(w.volume, "volumes", "volume", map[string]any{"size": 1})
	path := w.volume.ServiceURL("volumes", id(volume))
	status := func(want string) {
		w.Helper()
		testenv.Eventually(w, time.Minute, "the volume to be "+want, func() bool {
			var out struct{ Volume struct{ Status string } }
			return w.ask(w.volume, http.MethodGet, path, nil, &out) == nil && out.Volume.Status == want
		})
	}
	device := "/dev/disk/by-id/virtio-" + id(volume)[:20]
	for _, x := range []struct{ host, script string }{
		{"one", "mkfs.ext4 -q %[1]s && mount %[1]s /mnt && echo kept >/mnt/file && umount /mnt"},
		{"two", "mount %[1]s /mnt && grep kept /mnt/file && umount /mnt"},
	} {
		status("available")
		attachments := w.compute.ServiceURL("servers", ids[x.host], "os-volume_attachments")
		if err := w.ask(w.compute, http.MethodPost, attachments, map[string]any{"volumeAttachment": map[string]any{"volumeId": id(volume)}}, nil); err != nil {
			w.Fatal(err)
		}
		testenv.Eventually(w, time.Minute, x.host+" to see the volume", func() bool { _, err := w.on(x.host, "test", "-b", device); return err == nil })
		if out, err := w.on(x.host, "sh", "-ec", fmt.Sprintf(x.script, device)); err != nil {
			w.Errorf("%s: %v: %s", x.host, err, out)
		}
		if err := w.ask(w.compute, http.MethodDelete, attachments+"/"+id(volume), nil, nil); err != nil {
			w.Fatal(err)
		}
		testenv.Eventually(w, time.Minute, x.host+" to see it no more", func() bool { _, err := w.on(x.host, "test", "-e", device); return err != nil })
	}
	status("available")
	if err := w.ask(w.volume, http.MethodDelete, path, nil, nil); err != nil {
		w.Fatal(err)
	}
}

func (w *wired) act(server, name string, argument any) {
	w.Helper()
	if err := w.ask(w.compute, http.MethodPost, w.compute.ServiceURL("servers", server, "action"), map[string]any{name: argument}, nil); err != nil {
		w.Fatal(err)
	}
}

func (w *wired) status(server string) string {
	w.Helper()
	var out struct{ Server struct{ Status string } }
	if err := w.ask(w.compute, http.MethodGet, w.compute.ServiceURL("servers", server), nil, &out); err != nil {
		w.Fatal(err)
	}
	return out.Server.Status
}

// reaches tells whether a host gets an answer. What it is to get may take a while to be there.
func (w *wired) reaches(from, url string, want bool) {
	w.Helper()
	ask := func() bool {
		_, err := w.on(from, "curl", "-fsS", "--max-time", "3", "-o", "/dev/null", url)
		return (err == nil) == want
	}
	if !want { // what is refused now is refused because of a rule, and not because it is not there yet
		if !ask() {
			w.Errorf("%s reaches %s", from, url)
		}
		return
	}
	var last time.Time
	testenv.Eventually(w, 3*time.Minute, from+" to reach "+url, func() bool {
		if time.Since(last) < time.Second {
			return false
		}
		last = time.Now()
		return ask()
	})
}

// silent waits until a host gets no answer any more.
func (w *wired) silent(from, url string) {
	w.Helper()
	testenv.Eventually(w, time.Minute, from+" not to reach "+url, func() bool {
		_, err := w.on(from, "curl", "-fsS", "--max-time", "3", "-o", "/dev/null", url)
		return err != nil
	})
}

// floats gives a host a floating IP, and asks it from this machine.
func (w *wired) floats(name string) {
	w.Helper()
	f := w.make(w.network, "floatingips", "floatingip", map[string]any{"floating_network_id": w.public(), "port_id": w.port[name]})
	address, _ := f["floating_ip_address"].(string)
	client := &http.Client{Timeout: 5 * time.Second}
	testenv.Eventually(w, time.Minute, "the floating IP to answer", func() bool {
		r, err := client.Get("http://" + address + ":8080/")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		_, err = io.Copy(io.Discard, r.Body)
		return err == nil && r.StatusCode == http.StatusOK
	})
}

// mark leaves something in memory and something on the disk.
func (w *wired) mark(name string) {
	w.Helper()
	if out, err := w.on(name, "touch", "/run/mark", "/root/mark"); err != nil {
		w.Fatal(err, out)
	}
}

// restarted: it came back without what was in memory, with or without what was on its disk, after so many first boots.
func (w *wired) restarted(name string, boots int, kept bool) {
	w.Helper()
	var out string
	var err error
	testenv.Eventually(w, 3*time.Minute, name+" to be back", func() bool {
		out, err = w.on(name, "sh", "-c", "ls /run/mark; ls /root/mark; cat /root/boots")
		return err == nil && !strings.Contains(out, "\n/run/mark") && !strings.HasPrefix(out, "/run/mark")
	})
	lines := strings.Split(out, "\n")
	first := 0
	for _, l := range lines {
		if l == "first" {
			first++
		}
	}
	if first != boots || slices.Contains(lines, "/root/mark") != kept {
		w.Errorf("%d first boots, and on its disk there is %q", first, lines)
	}
	w.reaches("two", "http://"+w.address[name]+":8080", true)
}

// TestAfterACrash: a bed that was killed leaves folders and groups, which the next one takes away.
func TestAfterACrash(t *testing.T) {
	if os.Getenv("JEROBOAM_TEST_CRASH") == "1" {
		b := newCloud(t)
		w := &wired{bed: b}
		w.lay()
		w.boot("one")
		w.reaches("one", "http://127.0.0.1:8080", true)
		_, _ = os.Stdout.WriteString("up\n")
		select {}
	}
	crash(t)
	c := newCloud(t)
	left, err := filepath.Glob(filepath.Join(cache(t).Nodes(), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v: one of them is new", left, err)
	}
	c.cloud.Close()
}
