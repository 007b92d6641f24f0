package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	driver "github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// access to the cluster by a pair of authority and client certificate.
func (c *cloud) access(trust []byte, signer *testPKI) *driver.Client {
	c.t.Helper()
	cert, key := signer.client(c.t, "someone", mastersGroup)
	client, err := driver.New(driver.Access{Endpoint: "https://10.0.0.5:6443", CA: trust, ClientCert: cert, ClientKey: key, Timeout: 10 * time.Second,
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			return c.fabric.Dial(ctx, "outside", address)
		}})
	check(c.t, err)
	c.t.Cleanup(client.Close)
	return client
}

// run has a command run to its end.
func (c *cloud) run(client *driver.Client, command driver.HostCommand, err error) error {
	c.t.Helper()
	check(c.t, err)
	var failed error
	await(c.t, func() error {
		done, waiting, err := client.RunOnHost(c.t.Context(), command)
		var end *driver.HostCommandError
		if errors.As(err, &end) {
			failed = err
			return nil
		}
		if err == nil && !done {
			err = errors.New("waiting for " + waiting)
		}
		return err
	})
	return failed
}

// begin has a command begun, whatever comes of it.
func (c *cloud) begin(client *driver.Client, command driver.HostCommand, err error) {
	c.t.Helper()
	check(c.t, err)
	await(c.t, func() error {
		_, _, err := client.RunOnHost(c.t.Context(), command)
		return err
	})
}

func (c *cloud) mustRun(client *driver.Client, command driver.HostCommand, err error) {
	c.t.Helper()
	if err := c.run(client, command, err); err != nil {
		c.t.Fatalf("%v\n%s", err, strings.Join(c.nodes[command.Node].Console(), "\n"))
	}
}

// rotation is a change of authorities under way.
type rotation struct {
	*cloud
	old, next *testPKI
	masters   []string
	workers   []string
}

func newRotation(t *testing.T, signingFile string) *rotation {
	t.Helper()
	c := newCloud(t)
	r := &rotation{cloud: c, old: c.pki, next: newPKI(t), masters: []string{"demo-master-0", "demo-master-1", "demo-master-2"}, workers: []string{"demo-node-0"}}
	first := c.master(0)
	first.UserData = []byte(userData(t, "first-control-plane", c.pki, map[string]string{"Name": "demo-master-0", "IP": "10.0.0.10", "SigningFile": signingFile}))
	c.boot(first, c.master(1), c.master(2), c.worker(0))
	c.awaitState(StateReady, append(slices.Clone(r.masters), r.workers...)...)
	return r
}

func (r *rotation) both(first, second *testPKI, name string) []byte {
	return slices.Concat(first.files[name], second.files[name])
}

// trust is what a control plane has while both are trusted: the first signs.
func (r *rotation) trust(first, second *testPKI) driver.Authorities {
	return driver.Authorities{
		CA: r.both(first, second, "ca.crt"), CAKey: first.files["ca.key"], SigningCA: first.files["ca.crt"],
		FrontProxyCA: r.both(first, second, "front-proxy-ca.crt"), FrontProxyCAKey: first.files["front-proxy-ca.key"],
		EtcdCA: r.both(first, second, "etcd/ca.crt"), EtcdCAKey: first.files["etcd/ca.key"],
	}
}

func (r *rotation) alone(p *testPKI) driver.Authorities {
	return driver.Authorities{
		CA: p.files["ca.crt"], CAKey: p.files["ca.key"], SigningCA: p.files["ca.crt"], FrontProxyCA: p.files["front-proxy-ca.crt"],
		FrontProxyCAKey: p.files["front-proxy-ca.key"], EtcdCA: p.files["etcd/ca.crt"], EtcdCAKey: p.files["etcd/ca.key"],
	}
}

// restarted waits until a control plane's components run with what the command brought.
func (r *rotation) restarted(name, node string, components []string) {
	r.t.Helper()
	client := r.cloud.client(mastersGroup)
	for _, component := range components {
		await(r.t, func() error {
			pod, err := client.CoreV1().Pods(systemNamespace).Get(r.t.Context(), component+"-"+node, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if pod.Labels[driver.RestartedLabel] != driver.Mark("r", name) || pod.Status.Conditions[0].Status != corev1.ConditionTrue {
				return fmt.Errorf("%s: labels %v, %v", pod.Name, pod.Labels, pod.Status.Conditions)
			}
			return nil
		})
	}
}

// step is one pass over all hosts.
func (r *rotation) step(client *driver.Client, name string, a driver.Authorities, renew []string, components []string) {
	r.t.Helper()
	for _, node := range r.masters {
		command, err := driver.InstallAuthorities("r", name, node, a, driver.Renewal{Certificates: renew, Components: components, Kubelet: true})
		r.mustRun(client, command, err)
		r.restarted(name, node, components)
	}
	for _, node := range r.workers {
		command, err := driver.InstallAuthorities("r", name, node, driver.Authorities{CA: a.CA}, driver.Renewal{Kubelet: true})
		r.mustRun(client, command, err)
	}
}

// watchdog asks again and again as one client, and remembers what went wrong.
func (r *rotation) watchdog(client *driver.Client) (stop func() error) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var failed error
	var asked int
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			_, err := client.Nodes(ctx)
			for range 3 { // a server that ends cuts connections, and the load balancer has others
				if err != nil {
					client.Close()
					_, err = client.Nodes(ctx)
				}
			}
			if err != nil && ctx.Err() == nil && failed == nil {
				failed = err
			}
			client.Close() // the next one makes a handshake again
			asked++
		}
	})
	return func() error {
		cancel()
		wg.Wait()
		r.t.Logf("asked %d times", asked)
		return failed
	}
}

// TestAuthoritiesAreReplaced does by hand what an operation does, in its three phases.
func TestAuthoritiesAreReplaced(t *testing.T) {
	r := newRotation(t, "/etc/kubernetes/pki/signing-ca.crt")
	before := r.access(r.old.files["ca.crt"], r.old) // a kubeconfig of before
	stop := r.watchdog(r.access(r.old.files["ca.crt"], r.old))
	r.step(before, "trust", r.trust(r.old, r.next), nil, driver.Components())
	client := r.access(r.both(r.old, r.next, "ca.crt"), r.next)
	r.step(client, "issue", r.trust(r.next, r.old), driver.CertificatesButAPIServer(), driver.Controllers())
	for _, node := range append(slices.Clone(r.masters), r.workers...) {
		command, err := driver.NewKubeletCertificate("r", "kubelet", node, "https://10.0.0.5:6443", r.both(r.next, r.old, "ca.crt"), testToken)
		r.mustRun(client, command, err)
	}
	if err := stop(); err != nil {
		t.Errorf("a kubeconfig of before did not work until the last phase: %v", err)
	}
	stop = r.watchdog(client)
	for _, node := range r.masters {
		command, err := driver.InstallAuthorities("r", "serve", node, driver.Authorities{}, driver.Renewal{Certificates: []string{driver.CertificateAPIServer}, Shown: true})
		r.mustRun(client, command, err)
	}
	r.cloud.pki = r.next
	r.step(client, "drop", r.alone(r.next), nil, driver.Components())
	if err := stop(); err != nil {
		t.Errorf("the API went away in the last phase: %v", err)
	}
	if _, err := before.Nodes(t.Context()); err == nil {
		t.Error("a kubeconfig of before still works")
	}
	after := r.access(r.next.files["ca.crt"], r.next)
	r.settled(after)
	check(t, after.ForgetHostCommands(t.Context(), "r"))
	secrets, err := r.cloud.client(mastersGroup).CoreV1().Secrets(systemNamespace).List(t.Context(), metav1.ListOptions{LabelSelector: "jeroboam.cloud/host-command"})
	check(t, err)
	if len(secrets.Items) > 0 {
		t.Errorf("%d Secrets are left", len(secrets.Items))
	}
}

// settled waits past the time after which a silent kubelet is noticed, and wants all nodes ready.
func (r *rotation) settled(client *driver.Client) {
	r.t.Helper()
	check(r.t, r.clock.Sleep(r.t.Context(), 2*nodeGracePeriod))
	nodes, err := client.Nodes(r.t.Context())
	check(r.t, err)
	for _, n := range nodes {
		if !n.Ready {
			r.t.Errorf("%s is not ready: %s", n.Name, n.Reason)
		}
	}
}

// TestAuthoritiesInTheWrongOrder: what a real cluster does not survive the simulated one does not either.
func TestAuthoritiesInTheWrongOrder(t *testing.T) {
	t.Run("a bundle to sign with", func(t *testing.T) {
		r := newRotation(t, "/etc/kubernetes/pki/ca.crt")
		client := r.access(r.old.files["ca.crt"], r.old)
		r.step(client, "trust", r.trust(r.old, r.next), nil, driver.Components())
		command, err := driver.NewKubeletCertificate("r", "kubelet", "demo-node-0", "https://10.0.0.5:6443", r.both(r.old, r.next, "ca.crt"), testToken)
		if err := r.run(client, command, err); err == nil || !strings.Contains(err.Error(), "it has its old one again") {
			t.Errorf("a controller manager signed with a bundle: %v", err)
		}
		r.settled(client)
	})
	t.Run("kubelets keep old certificates", func(t *testing.T) {
		r := newRotation(t, "/etc/kubernetes/pki/signing-ca.crt")
		client := r.access(r.old.files["ca.crt"], r.old)
		r.step(client, "trust", r.trust(r.old, r.next), nil, driver.Components())
		client = r.access(r.both(r.old, r.next, "ca.crt"), r.next)
		for _, node := range r.masters {
			a := r.alone(r.next)
			a.EtcdCA = r.both(r.next, r.old, "etcd/ca.crt")
			command, err := driver.InstallAuthorities("r", "drop", node, a, driver.Renewal{Components: driver.Components()})
			r.begin(client, command, err)
		}
		await(t, func() error {
			nodes, err := client.Nodes(t.Context())
			if err != nil {
				return err
			}
			for _, n := range nodes {
				if n.Name == "demo-node-0" && !n.Ready {
					return nil
				}
			}
			return errors.New("the worker is still heard of")
		})
	})
	t.Run("etcd without a common authority", func(t *testing.T) {
		r := newRotation(t, "/etc/kubernetes/pki/signing-ca.crt")
		client := r.access(r.old.files["ca.crt"], r.old)
		for _, node := range r.masters[:2] { // each its own
			own := newPKI(t)
			a := driver.Authorities{EtcdCA: own.files["etcd/ca.crt"], EtcdCAKey: own.files["etcd/ca.key"]}
			command, err := driver.InstallAuthorities("r", "etcd", node, a, driver.Renewal{Certificates: []string{"etcd-peer", "etcd-server"}, Components: driver.Components()})
			if node == r.masters[0] {
				r.mustRun(client, command, err)
				r.restarted("etcd", node, driver.Components())
				continue
			}
			r.begin(client, command, err)
		}
		await(t, func() error {
			if client.Ready(t.Context()) == nil {
				return errors.New("it is ready")
			}
			return nil
		})
	})
}

// TestUpgradeInPlace brings a lone control plane and a worker to the next version.
func TestUpgradeInPlace(t *testing.T) {
	c := newCloud(t)
	c.boot(c.master(0), c.worker(0))
	c.awaitState(StateReady, "demo-master-0", "demo-node-0")
	client := c.access(c.pki.files["ca.crt"], c.pki)
	from := driver.Binaries{URL: "https://dl.example.org/{version}/bin/linux/{arch}", SHA256: map[string]string{}}
	for _, version := range []string{"v1.38.1", "v1.39.0"} {
		for _, name := range []string{"kubeadm", "kubelet", "kubectl"} {
			from.SHA256[version+"/amd64/"+name] = BinarySum(name, version, "amd64")
		}
	}
	upgrade := func(run, node, version string, first bool) (driver.HostCommand, error) {
		return driver.Upgrade(run, node, "amd64", version, first, from)
	}
	command, err := upgrade("skip", "demo-master-0", "v1.39.0", true)
	if err := c.run(client, command, err); err == nil || !strings.Contains(err.Error(), "not within one minor release") {
		t.Errorf("a minor version was skipped: %v", err)
	}
	for _, node := range []string{"demo-master-0", "demo-node-0"} {
		command, err := upgrade("up", node, "v1.38.1", node == "demo-master-0")
		c.mustRun(client, command, err)
	}
	if version, err := client.Version(t.Context()); err != nil || version != "v1.38.1" {
		t.Errorf("the API is %s, %v", version, err)
	}
	await(t, func() error {
		nodes, err := client.Nodes(t.Context())
		for _, n := range nodes {
			if !n.Ready || n.Version != "v1.38.1" {
				err = fmt.Errorf("%s: ready %v at %s", n.Name, n.Ready, n.Version)
			}
		}
		return err
	})
	from.SHA256["v1.38.1/amd64/kubelet"] = strings.Repeat("0", 64)
	command, err = upgrade("bad", "demo-node-0", "v1.38.1", false)
	if err := c.run(client, command, err); err == nil || !strings.Contains(err.Error(), "is not what its checksum says") {
		t.Errorf("another kubelet was installed: %v", err)
	}
	if _, err := upgrade("none", "demo-node-0", "v1.38.2", false); err == nil {
		t.Error("there is a command without checksums")
	}
}

// TestScriptsThatAreNotSimulated: a program that a host lacks, and options that nobody simulates, fail as in a shell.
func TestScriptsThatAreNotSimulated(t *testing.T) {
	c := newCloud(t)
	c.boot(c.master(0))
	c.awaitState(StateReady, "demo-master-0")
	client := c.access(c.pki.files["ca.crt"], c.pki)
	for name, tc := range map[string]struct{ script, want string }{
		"unknown": {"set -eu\npuppet apply\necho never", "puppet: not found"},
		"options": {"systemctl mask kubelet", "does not know the options"},
		"unset":   {"set -eu\necho \"$NOTHING\"", "NOTHING"},
		"syntax":  {"if true", "syntax error"},
		"missing": {"cat </etc/nothing", "does not exist"},
	} {
		err := c.run(client, driver.HostCommand{Run: "r", Name: name, Node: "demo-master-0", Script: tc.script}, nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "never") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.run(client, driver.HostCommand{Run: "r", Name: "late", Node: "demo-master-0", Script: "sleep 900", Deadline: time.Minute}, nil); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("too late: %v", err)
	}
}
