package kube

import (
	"context"
	"crypto/x509"
	"errors"
)

// manager is a running controller manager.
type manager struct {
	identity *identity
	signer   *authority
}

// startManager reads what the controller manager needs. One that cannot be read is one that does not run.
func (m *machine) startManager() {
	files := m.drive.snapshot()
	id, err := readKubeconfig(files, "/etc/kubernetes/controller-manager.conf")
	if err != nil {
		return
	}
	running := &manager{identity: id}
	file := m.pki("ca.crt")
	for _, a := range m.cluster.config.ControllerManager.ExtraArgs {
		if a.Name == "cluster-signing-cert-file" {
			file = a.Value
		}
	}
	cas, err := readCertificates(files, file)
	if err != nil || len(cas) != 1 { // "expected 1 certificate, found 2"
		return
	}
	key, err := loadKey(files, m.pki("ca.key"))
	if err != nil || !samePublicKey(key.Public(), cas[0].PublicKey) {
		return
	}
	running.signer = &authority{cert: cas[0], key: key}
	m.mu.Lock()
	m.manager = running
	m.mu.Unlock()
	if roots, err := files.read(m.pki("ca.crt")); err == nil {
		m.cluster.publishRoots(roots)
	}
}

// publishRoots gives pods of all namespaces the authorities that the controller manager has read.
func (c *cluster) publishRoots(roots []byte) {
	_ = c.store.do(func(t *transaction) error {
		c.roots = roots
		for _, namespace := range t.list(c.schema.kind("Namespace"), "") {
			if err := c.giveRoots(t, namespace.GetName()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *cluster) giveRoots(t *transaction, namespace string) error {
	k := c.schema.kind("ConfigMap")
	after, err := toUnstructured(newConfigMap(namespace, "kube-root-ca.crt", "ca.crt", c.roots), k)
	if err != nil {
		return err
	}
	before, _ := t.get(k, namespace, "kube-root-ca.crt")
	t.put(k, before, after)
	return nil
}

// machineList is a copy of the cluster's machines.
func (c *cluster) machineList() []*machine {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*machine, 0, len(c.machines))
	for _, m := range c.machines {
		list = append(list, m)
	}
	return list
}

// serves tells that a client and every API server that runs get along: whichever a load balancer picks. With known the
// client's certificate matters as well. Without an API server nobody can tell.
func (c *cluster) serves(client *identity, known bool) bool {
	now := c.clock.Now()
	for _, m := range c.machineList() {
		m.mu.Lock()
		api := m.api
		m.mu.Unlock()
		if api == nil {
			continue
		}
		leaf, err := x509.ParseCertificate(api.shows.pair.Load().Certificate[0])
		if err != nil || !client.believes(leaf, now) || known && !trusted(api.server.clients, client.leaf, now) {
			return false
		}
	}
	return true
}

// signer is the authority of a controller manager that works.
func (c *cluster) signer() (*authority, error) {
	for _, m := range c.machineList() {
		m.mu.Lock()
		running := m.manager
		m.mu.Unlock()
		if running != nil && c.serves(running.identity, true) {
			return running.signer, nil
		}
	}
	return nil, errors.New("no controller manager signs certificates")
}

// review looks at who gets along with whom, after something has changed: kubelets that do not are not heard of any more.
// One at a time: of two that look, the one that has looked last must be the one that has the last word.
func (c *cluster) review() {
	c.reviewing.Lock()
	defer c.reviewing.Unlock()
	for _, m := range c.machineList() {
		node := m.on()
		m.mu.Lock()
		k, written := m.kubelet, m.written
		m.mu.Unlock()
		if node == nil || !written {
			continue
		}
		up := k.running && k.identity != nil && c.serves(k.identity, true)
		if up == k.up {
			continue
		}
		m.mu.Lock()
		m.kubelet.up = up
		m.mu.Unlock()
		if !up {
			c.kubeletDown(m.name())
			continue
		}
		c.kubeletUp(m.name())
		node.spawn(func(ctx context.Context) {
			_ = node.retry(ctx, "kubelet: unable to update node status", 0, true, func(context.Context) error {
				return c.markReady(m.name(), node.kubeletVersion(m))
			})
		})
	}
}

// together counts the members that vote, are on and get along with one of them, that one included. c.mu is held.
func (c *cluster) together(hostID string) int {
	one, count := c.etcdOf(hostID), 0
	for _, m := range c.voters() {
		if !m.on {
			continue
		}
		two := c.etcdOf(m.hostID)
		if one == nil || two == nil || one.believes(two.leaf, c.clock.Now()) && two.believes(one.leaf, c.clock.Now()) {
			count++
		}
	}
	return count
}

func (c *cluster) etcdOf(hostID string) *identity {
	m := c.machines[hostID]
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.etcd
}
