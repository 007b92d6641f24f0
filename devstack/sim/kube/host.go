package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/http"
	"strconv"
	"time"
)

// run is the life of a host, until the power is cut.
func (n *Node) run(ctx context.Context) {
	n.spawn = func(f func(context.Context)) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if !n.ended {
			n.tasks.Go(func() { f(ctx) })
		}
	}
	defer func() {
		n.mu.Lock()
		n.ended = true
		n.mu.Unlock()
		n.tasks.Wait()
	}()
	if err := n.bootUp(ctx); err != nil && ctx.Err() == nil {
		n.say(err.Error())
		n.become(StateFailed)
	}
	<-ctx.Done()
}

func (n *Node) bootUp(ctx context.Context) error {
	if d, there := n.fabric.memory().disk(n.host.ID); there {
		return n.reboot(ctx, d)
	}
	if err := n.clock.Sleep(ctx, bootLatency); err != nil {
		return err
	}
	p, err := prepare(n.host)
	if err != nil {
		return err
	}
	n.say("cloud-init: modules:final done, running /usr/local/sbin/jeroboam-bootstrap")
	if p.config.join != nil {
		return n.join(ctx, p)
	}
	return n.initialize(ctx, p)
}

// reboot brings a node back: what it runs is on its disk.
func (n *Node) reboot(ctx context.Context, d disk) error {
	if err := n.clock.Sleep(ctx, rebootLatency); err != nil {
		return err
	}
	n.say("systemd: Started kubelet.service")
	n.enter(d.machine)
	if d.machine.isControlPlane() {
		if err := n.serve(d.machine); err != nil {
			return err
		}
	}
	return n.runKubelet(ctx, d.machine)
}

// enter makes the machine this node's while it is on.
func (n *Node) enter(m *machine) {
	m.mu.Lock()
	m.node = n
	m.mu.Unlock()
	n.onPowerOff(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.node, m.kubelet = nil, kubeletLife{}
	})
}

// settle makes a host part of its cluster, for as long as its disk is there.
func (n *Node) settle(c *cluster, p *plan) (*machine, error) {
	m := newMachine(n.host, p, c)
	n.enter(m)
	if m.isControlPlane() {
		if err := n.serve(m); err != nil {
			return nil, err
		}
	}
	n.fabric.memory().install(n.host.ID, disk{machine: m})
	return m, c.enter(m)
}

// initialize is kubeadm init.
func (n *Node) initialize(ctx context.Context, p *plan) error {
	n.become(StateInitializing)
	n.say("[init] Using Kubernetes version: " + p.config.cluster.KubernetesVersion)
	if err := n.clock.Sleep(ctx, initLatency); err != nil {
		return err
	}
	c := newCluster(p, n.clock, n.fabric.memory().types())
	c.found(n.host.ID, n.host.FixedIPs[0])
	if err := c.seed(p.config, n.host.FixedIPs[0]); err != nil {
		return fmt.Errorf("kubeadm init: error execution phase upload-config: %w", err)
	}
	m, err := n.settle(c, p)
	if err != nil {
		return err
	}
	if err := n.awaitEndpoint(ctx, c, p); err != nil {
		return err
	}
	n.say("Your Kubernetes control-plane has initialized successfully!")
	return n.runKubelet(ctx, m)
}

// awaitEndpoint waits until the host reaches its own cluster by the address that everybody is given, over verified TLS:
// from here on kubeadm and the kubelet use that.
func (n *Node) awaitEndpoint(ctx context.Context, c *cluster, p *plan) error {
	address := c.config.ControlPlaneEndpoint
	if address == "" {
		address = net.JoinHostPort(n.host.FixedIPs[0], strconv.Itoa(int(p.config.localEndpoint().BindPort)))
	}
	roots := x509.NewCertPool()
	roots.AddCert(c.authorities.ca.cert)
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("read control-plane endpoint: %w", err)
	}
	check := func(ctx context.Context) error {
		return n.request(ctx, address, &tls.Config{RootCAs: roots, ServerName: host, Time: n.clock.Now}, func(client *http.Client) error {
			return getLivez(ctx, client, address)
		})
	}
	return n.retry(ctx, "kubeadm init: error execution phase upload-config", endpointTimeout, p.retries, check)
}

func getLivez(ctx context.Context, client *http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/livez", nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("/livez of %s: %s", address, response.Status)
	}
	return nil
}

// request gives a client whose connections go through the fabric to one address.
func (n *Node) request(ctx context.Context, address string, config *tls.Config, use func(*http.Client) error) error {
	transport := &http.Transport{
		TLSClientConfig: config,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return n.fabric.Dial(ctx, n.host.ID, address)
		},
		ForceAttemptHTTP2: false,
	}
	defer transport.CloseIdleConnections()
	return use(&http.Client{Transport: transport, Timeout: attemptTimeout})
}

// retry tries until it works or ctx is done. A bootstrap script without a loop gives up after the patience of kubeadm.
func (n *Node) retry(ctx context.Context, what string, patience time.Duration, forever bool, try func(context.Context) error) error {
	var waited time.Duration // by its own count: a clock's time of day need not go at the pace of its Sleep
	for attempt := 0; ; attempt++ {
		err := try(ctx)
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		err = fmt.Errorf("%s: %w", what, err)
		if !forever && waited > patience {
			return err
		}
		n.say(err.Error())
		pause := retryInterval + n.jitter(attempt)
		if err := n.clock.Sleep(ctx, pause); err != nil {
			return err
		}
		waited += pause
	}
}

// jitter spreads the attempts of the hosts of a cluster, the same way in every run.
func (n *Node) jitter(attempt int) time.Duration {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%s/%d", n.host.ID, attempt)
	return time.Duration(h.Sum32()) * time.Microsecond % retryJitter
}

// runKubelet registers the node and makes it Ready.
func (n *Node) runKubelet(ctx context.Context, m *machine) error {
	c, r := m.cluster, m.plan.registration
	n.startKubelet(m)
	n.serveKubelet(m)
	err := n.retry(ctx, "kubelet: unable to register node with API server", 0, true, func(context.Context) error {
		return m.report(func() error { return c.register(r, n.host, n.kubeletVersion(m)) })
	})
	if err != nil {
		return err
	}
	err = n.retry(ctx, "kubelet: failed to request a serving certificate", 0, true, func(context.Context) error {
		return m.report(func() error { return c.requestServing(m) })
	})
	if err != nil {
		return err
	}
	c.kubeletUp(r.name)
	n.onPowerOff(func() { c.kubeletDown(r.name) })
	n.say(fmt.Sprintf("kubelet: Successfully registered node %q", r.name))
	if err := n.clock.Sleep(ctx, readyLatency); err != nil {
		return err
	}
	err = n.retry(ctx, "kubelet: unable to update node status", 0, true, func(context.Context) error {
		return m.report(func() error { return c.markReady(r.name, n.kubeletVersion(m)) })
	})
	if err != nil {
		return err
	}
	n.become(StateReady)
	n.say(fmt.Sprintf("kubelet: node %q is Ready", r.name))
	n.spawn(func(ctx context.Context) { n.runPods(ctx, m) })
	return nil
}
