package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var errEtcd = errors.New("etcdserver: request timed out")

// cluster is the state of one cluster, shared by all its control planes as if etcd kept it. Nothing runs on its behalf
// but while a control plane is on: the controllers that wait for silent kubelets.
type cluster struct {
	config      clusterConfiguration
	authorities *authorities
	clock       Clock
	store       *store
	schema      *schema
	// servingBootstrap: kubelets ask for serving certificates
	servingBootstrap bool

	reviewing sync.Mutex // held by review, before mu

	mu sync.Mutex
	// controllers is another one each time that the first member goes on, so that nobody adds to one that is waited for
	controllers *sync.WaitGroup
	members     []*member // of etcd
	leader      uint64    // of them, when it was last looked for
	term        uint64
	alarms      []*etcdserverpb.AlarmMember
	kubelets    map[string]*kubelet // by node
	roots       []byte              // that pods are given; guarded by the store
	machines    map[string]*machine // by host: those that are there
	bounds      sync.Map            // the bound of each machine, by its node
	written     bool                // what kubeadm writes is on their drives, since somebody has looked
}

type kubelet struct {
	on    bool
	since time.Time // when it was switched off
	// forget ends the controller that waits for it to be silent for long enough; nil when there is none
	forget context.CancelFunc
}

func newCluster(p *plan, clock Clock, types *schema) *cluster {
	return &cluster{
		config: *p.config.cluster, authorities: p.authorities,
		clock: clock, store: newStore(clock), schema: types, servingBootstrap: servingBootstrap(p.config.kubelet),
		kubelets: map[string]*kubelet{}, machines: map[string]*machine{},
	}
}

// release is the version of the API: that of the control plane as kubeadm has it configured.
func (c *cluster) release() (minor int, version string) {
	minor, version, err := c.configuredVersion()
	if err != nil {
		minor, version, _ = parseVersion(c.config.KubernetesVersion)
	}
	return minor, version
}

// enter takes a host in.
func (c *cluster) enter(m *machine) error {
	c.mu.Lock()
	c.machines[m.hostID] = m
	late := c.written
	c.mu.Unlock()
	if late {
		return c.writeOut()
	}
	return nil
}

// forget drops a host whose disk is gone. Its member of etcd stays one.
func (c *cluster) forget(hostID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.machines, hostID)
}

// writeOut puts what kubeadm has written on the drives of all hosts: it costs time, and only scripts on hosts look.
func (c *cluster) writeOut() error {
	c.mu.Lock()
	c.written = true
	c.mu.Unlock()
	for _, m := range c.machineList() {
		if err := m.readOwn(); err != nil {
			return err
		}
	}
	return nil
}

// startControllers starts what waits for silent kubelets. c.mu is held.
func (c *cluster) startControllers() {
	c.controllers = &sync.WaitGroup{}
	for name, k := range c.kubelets {
		if !k.on {
			c.awaitSilence(name, k)
		}
	}
}

// stopControllersIfLast stops the controllers if no member is on, and gives what waits for their end. c.mu is held.
func (c *cluster) stopControllersIfLast() (wait func()) {
	if c.on() > 0 || c.controllers == nil {
		return func() {}
	}
	for _, k := range c.kubelets {
		k.stopWaiting()
	}
	return c.controllers.Wait
}

func (c *cluster) kubeletUp(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.kubelets[name]
	if k == nil {
		k = &kubelet{}
		c.kubelets[name] = k
	}
	k.on = true
	k.stopWaiting()
}

func (c *cluster) kubeletDown(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.kubelets[name]
	if k == nil || !k.on {
		return
	}
	k.on, k.since = false, c.clock.Now()
	if c.on() > 0 {
		c.awaitSilence(name, k)
	}
}

// awaitSilence starts what the node controller does about a kubelet that is not heard of. c.mu is held.
func (c *cluster) awaitSilence(name string, k *kubelet) {
	ctx, cancel := context.WithCancel(context.Background())
	k.stopWaiting()
	k.forget = cancel
	wait := k.since.Add(nodeGracePeriod).Sub(c.clock.Now())
	c.controllers.Go(func() {
		for c.clock.Sleep(ctx, max(wait, 0)) == nil {
			if c.available() == nil {
				c.markSilent(ctx, name)
				return
			}
			wait = retryInterval
		}
	})
}

func (k *kubelet) stopWaiting() {
	if k.forget != nil {
		k.forget()
		k.forget = nil
	}
}

// admit decides about a host that wants to join, once its token was found good.
func (c *cluster) admit(request joinRequest) error {
	if node, there := c.node(request.NodeName); there && nodeIsReady(node) && nodeHost(node) != request.HostID {
		return fmt.Errorf("a Node with name %q and status \"Ready\" already exists in the cluster", request.NodeName)
	}
	minor, version, err := c.configuredVersion()
	if err != nil {
		return err
	}
	if request.Minor > minor || request.Minor < minor-3 {
		return fmt.Errorf("[ERROR KubeletVersion]: the kubelet's version 1.%d does not go with control planes of version %s", request.Minor, version)
	}
	if !request.ControlPlane {
		return nil
	}
	if request.Minor != minor {
		return fmt.Errorf("this version of kubeadm, 1.%d, does not add control planes to a cluster of version %s", request.Minor, version)
	}
	if c.config.ControlPlaneEndpoint == "" {
		return errors.New("unable to add a new control plane instance to a cluster that doesn't have a stable controlPlaneEndpoint address")
	}
	return c.compare(request.Fingerprints)
}

// compare the authorities of a host with those that the control planes have now.
func (c *cluster) compare(theirs map[string]string) error {
	ours := c.authorities.fingerprints
	for _, m := range c.machineList() {
		if m.on() == nil || !m.isControlPlane() || !m.drive.has(m.pki(caName+".crt")) {
			continue
		}
		loaded, err := loadAuthorities(m.drive.snapshot(), m.cluster.config.CertificatesDir)
		if err != nil {
			return err
		}
		ours = loaded.fingerprints
		break
	}
	for name, fingerprint := range ours {
		if theirs[name] != fingerprint {
			return fmt.Errorf("/etc/kubernetes/pki/%s of this host is not that of the cluster", name)
		}
	}
	return nil
}

// configuredVersion is the version of control planes that join from now on: kubeadm reads it from the cluster.
func (c *cluster) configuredVersion() (minor int, version string, err error) {
	err = c.store.do(func(t *transaction) error {
		o, there := t.get(c.schema.kind("ConfigMap"), systemNamespace, "kubeadm-config")
		if !there {
			return errors.New(`failed to get config map: configmaps "kubeadm-config" not found`)
		}
		text, _, _ := unstructured.NestedString(o.Object, "data", "ClusterConfiguration")
		var config clusterConfiguration
		if err := yaml.Unmarshal([]byte(text), &config); err != nil {
			return fmt.Errorf("decode kubeadm-config: %w", err)
		}
		minor, version, err = parseVersion(config.KubernetesVersion)
		return err
	})
	return minor, version, err
}
