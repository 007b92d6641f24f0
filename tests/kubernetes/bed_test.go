package kubernetes

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim/namespaces"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

// The user of the simulated cloud whose clusters these are.
const (
	user     = "demo"
	password = "secret"
)

// serviceAt is where hosts reach the service that serves the whole cloud.
const serviceAt = "192.0.2.2:9511"

// impatient is a configuration for a cloud that needs no time: the conductor looks more often, and heals after half a minute
// instead of five.
const impatient = `[conductor]
poll_interval = 1
[kubernetes]
health_polling_interval = 5
[periodic]
heal_after = 30
`

// bed is a cloud of real hosts with the service in front of it.
type bed struct {
	*testing.T
	cloud                   *sim.Cloud
	hosts                   *namespaces.Bed
	infra, compute, network *gophercloud.ServiceClient
	volume                  *gophercloud.ServiceClient
	folder, kubectl, clouds string
}

// cache is what was built; a test without it fails, since it is asked for by name.
func cache(t *testing.T) binaries.Cache {
	t.Helper()
	c, err := binaries.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	r := binaries.Releases()[0]
	for _, path := range []string{c.Root(), c.Tree(r)} {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v: `make kubernetes-binaries` makes it", err)
		}
	}
	return c
}

// namespaced makes the hypervisor. With add-ons its host images have the container images of those.
func namespaced(t *testing.T, addons bool, services map[string]string) *namespaces.Bed {
	t.Helper()
	c := cache(t)
	images := map[string]namespaces.Image{}
	for _, r := range binaries.Releases() {
		tree := c.Tree(r)
		image := namespaces.Image{Files: filepath.Join(tree, binaries.TreeFiles), Containerd: filepath.Join(tree, binaries.TreeContainerd)}
		if addons {
			image.Containerd = c.Addons(r)
		}
		images[r.Kubernetes] = image
	}
	b, err := namespaces.New(namespaces.Options{Root: c.Root(), Images: images, Folder: c.Nodes(), Services: services, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func imageName(version string) string { return "debian-12-kube-" + version }

// newBed starts cloud and service, with what is to be configured.
func newBed(t *testing.T, options string) *bed {
	t.Helper()
	b := newCloud(t)
	b.serveAccount(options)
	return b
}

// newServiceBed starts cloud and service, which serves the whole cloud: clusters have users of their own there, and hosts the
// images of add-ons.
func newServiceBed(t *testing.T) *bed {
	t.Helper()
	port := testenv.FreePort(t)
	b := newCloudOf(t, namespaced(t, true, map[string]string{serviceAt: fmt.Sprintf("127.0.0.1:%d", port)}))
	b.serveCloud(port)
	return b
}

// newCloud starts the cloud alone. It ends with the test, and of failures the hosts' last words are kept.
func newCloud(t *testing.T) *bed {
	t.Helper()
	return newCloudOf(t, namespaced(t, false, nil))
}

func newCloudOf(t *testing.T, hosts *namespaces.Bed) *bed {
	t.Helper()
	c := cache(t)
	b := &bed{T: t, hosts: hosts, folder: t.TempDir(), kubectl: filepath.Join(c.Tree(binaries.Releases()[0]), binaries.TreeFiles, "usr/bin/kubectl")}
	var images []sim.Image
	for _, r := range binaries.Releases() {
		images = append(images, sim.Image{Name: imageName(r.Kubernetes), MinDisk: 10, Properties: map[string]string{
			"os_distro": "debian", "os_version": "12", "kube_version": r.Kubernetes, "architecture": "x86_64", cloud.RuntimesProperty: "runc,gvisor"}})
	}
	quick := 200 * time.Millisecond
	var err error
	b.cloud, err = sim.New(sim.Options{Speed: 1, Images: images, PublicCIDR: rig.PublicCIDR(t), Hypervisor: b.hosts, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Latency: sim.Latency{ServerBuild: quick, ServerDelete: quick, ServerAction: quick, LoadBalancer: quick, LoadBalancerChange: quick, Volume: quick, Port: quick / 10}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.cloud.Close)
	if err := b.cloud.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.keepWords)
	b.login()
	return b
}

// serveAccount starts the all-in-one for the user's account.
func (b *bed) serveAccount(options string) {
	b.Helper()
	b.clouds = filepath.Join(b.folder, "clouds.yaml")
	text := fmt.Sprintf("clouds:\n  mine:\n    region_name: %s\n    auth: {auth_url: %q, username: %s, password: %s, project_name: %s, user_domain_name: Default, project_domain_name: Default}\n",
		sim.Region, b.cloud.AuthURL(), user, password, user)
	b.write(b.clouds, text)
	config := filepath.Join(b.folder, "jeroboam.conf")
	b.write(config, options)
	listen := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(b))
	b.serve(listen, []string{"OS_CLIENT_CONFIG_FILE=" + b.clouds}, "--os-cloud", "mine", "--listen", listen, "--data-dir", filepath.Join(b.folder, "data"), "--config-file", config, "--debug")
}

// serveCloud starts the all-in-one with the service's own rights.
func (b *bed) serveCloud(port int) {
	b.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		b.Fatal(err)
	}
	identity := fmt.Sprintf("auth_url = %s\nusername = jeroboam\npassword = %s\nproject_name = service\nregion_name = %s\n", b.cloud.AuthURL(), password, sim.Region)
	file := filepath.Join(b.folder, "jeroboam.conf")
	b.write(file, strings.Join([]string{
		"[DEFAULT]\ndebug = true",
		fmt.Sprintf("[api]\nhost = 127.0.0.1\nport = %d", port),
		"[database]\nconnection = sqlite:///" + filepath.Join(b.folder, "jeroboam.sqlite"),
		"[keystone_authtoken]\n" + identity,
		"[keystone_auth]\n" + identity,
		"[certificates]\ncert_manager_type = x509keypair\nencryption_keys = " + base64.StdEncoding.EncodeToString(key),
		"[cluster_template]\nkubernetes_allowed_network_drivers = all",
		"[addons]\nauth_url = " + namespaces.CloudURL + "/identity/v3\ncontainer_infra_url = http://" + serviceAt,
	}, "\n")+"\n")
	b.serve(fmt.Sprintf("127.0.0.1:%d", port), nil, "--config-file", file)
}

func (b *bed) write(path, text string) {
	b.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// serve builds the all-in-one and runs it until the end of the test.
func (b *bed) serve(listen string, environ []string, args ...string) {
	b.Helper()
	program := filepath.Join(b.folder, "jeroboam")
	build := exec.CommandContext(b.Context(), "go", "build", "-o", program, "github.com/jeroboam-cloud/jeroboam/cmd/jeroboam")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // it is in an image, too, in which there is nothing else
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building jeroboam: %v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(b.ArtifactDir(), "jeroboam.log"))
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"serve"}, args...)...)
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // it is killed with the thread that started it, and the bed ends threads
		defer runtime.UnlockOSThread()
		started <- cmd.Start()
		ended <- cmd.Wait()
	}()
	if err := <-started; err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			b.Errorf("the service ended with %v", err)
		}
		_ = log.Close()
	})
	testenv.Eventually(b, time.Minute, "the service to answer", func() bool {
		client := &http.Client{Timeout: time.Second}
		r, err := client.Get("http://" + listen + "/healthcheck")
		if err == nil {
			_ = r.Body.Close()
		}
		return err == nil && r.StatusCode == http.StatusOK
	})
	url := "http://" + listen
	b.cloud.RegisterEndpoint("container-infra", "magnum", url+"/v1")
	b.infra = &gophercloud.ServiceClient{ProviderClient: b.compute.ProviderClient, Endpoint: url + "/", ResourceBase: url + "/v1/", Type: "container-infra", Microversion: "1.14"}
}

func (b *bed) login() {
	b.Helper()
	p, err := openstack.AuthenticatedClient(b.Context(), gophercloud.AuthOptions{IdentityEndpoint: b.cloud.AuthURL(), Username: user, Password: password, DomainName: "Default",
		AllowReauth: true, Scope: &gophercloud.AuthScope{ProjectName: user, DomainName: "Default"}})
	if err != nil {
		b.Fatal(err)
	}
	if b.compute, err = openstack.NewComputeV2(p, gophercloud.EndpointOpts{Region: sim.Region}); err != nil {
		b.Fatal(err)
	}
	if b.volume, err = openstack.NewBlockStorageV3(p, gophercloud.EndpointOpts{Region: sim.Region}); err != nil {
		b.Fatal(err)
	}
	if b.network, err = openstack.NewNetworkV2(p, gophercloud.EndpointOpts{Region: sim.Region}); err != nil {
		b.Fatal(err)
	}
}

// ask sends a request that gophercloud has no function for, or none so short.
func (b *bed) ask(c *gophercloud.ServiceClient, method, url string, body, out any) error {
	r, err := c.Request(b.Context(), method, url, &gophercloud.RequestOpts{JSONBody: body, JSONResponse: out, OkCodes: []int{200, 201, 202, 204}})
	if r != nil {
		_ = r.Body.Close()
	}
	return err
}

// keepWords keeps what the hosts of a test that failed have to say.
func (b *bed) keepWords() {
	if !b.Failed() {
		return
	}
	folder := b.ArtifactDir()
	for _, s := range b.servers() {
		for name, command := range map[string][]string{
			"console":   {"cat", "/var/log/jeroboam-bootstrap.log"},
			"journal":   {"journalctl", "--no-pager", "--boot"},
			"container": {"sh", "-c", "tail -n 40 /var/log/pods/*/*/*.log"},
		} {
			out, err := b.on(s.name, command...)
			if err != nil {
				out += "\n" + err.Error()
			}
			if err := os.WriteFile(filepath.Join(folder, s.name+"."+name), []byte(out), 0o600); err != nil {
				b.Log(err)
			}
		}
	}
	b.Logf("what the hosts say is in %s", folder)
}

type server struct{ id, name string }

// servers that there are now.
func (b *bed) servers() []server {
	var out []server
	for _, line := range b.cloud.Resources("")["server"] {
		id, name, _ := strings.Cut(line, " ")
		out = append(out, server{id, name})
	}
	return out
}

// on runs a command on a host.
func (b *bed) on(host string, command ...string) (string, error) {
	all := b.servers()
	i := slices.IndexFunc(all, func(s server) bool { return s.name == host })
	if i < 0 {
		return "", fmt.Errorf("there is no host %s", host)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd, err := b.hosts.Command(ctx, all[i].id, command...)
	if err != nil {
		return "", err
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
