package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// renew is `kubeadm certs renew` of one certificate: what the present one says is said again, by the first certificate of
// the authority's file and its key. In a kubeconfig that one certificate is then all that is trusted.
func (m *machine) renew(kind leafKind, now time.Time) error {
	files := m.drive.snapshot()
	ca, err := loadAuthority(files, m.pki(kind.authority))
	if err != nil {
		return err
	}
	validity := m.cluster.config.CertificateValidityPeriod.Duration
	if kind.file == "" {
		name := "/etc/kubernetes/" + kind.name
		config, err := parseKubeconfig(files, name)
		if err != nil {
			return err
		}
		cert, key, err := ca.issue(&x509.Certificate{Subject: config.leaf.Subject}, now, validity)
		if err != nil {
			return err
		}
		m.drive.write(name, encodeKubeconfig(config.server, encodePEM(ca.cert.Raw), &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}), 0o600)
		return nil
	}
	old, err := readCertificates(files, m.pki(kind.file+".crt"))
	if err != nil {
		return err
	}
	cert, key, err := ca.issue(&x509.Certificate{Subject: old[0].Subject, DNSNames: old[0].DNSNames, IPAddresses: old[0].IPAddresses}, now, validity)
	if err != nil {
		return err
	}
	m.drive.write(m.pki(kind.file+".crt"), cert, 0o644)
	m.drive.write(m.pki(kind.file+".key"), key, 0o600)
	return m.reread(kind)
}

// reread is what servers do that run when a certificate of theirs has changed. Whom they believe stays as they read it when
// they started.
func (m *machine) reread(kind leafKind) error {
	pair, err := readPair(m.drive.snapshot(), m.pki(kind.file+".crt"), m.pki(kind.file+".key"))
	if err != nil {
		return err
	}
	m.mu.Lock()
	switch {
	case kind.name == "apiserver" && m.api != nil:
		m.api.shows.pair.Store(&pair)
	case kind.name == "etcd-server" && m.etcdShows != nil:
		m.etcdShows.pair.Store(&pair)
	case kind.name == "etcd-peer" && m.etcd != nil:
		m.etcd = &identity{leaf: pair.Leaf, trusts: m.etcd.trusts}
	}
	m.mu.Unlock()
	m.cluster.review()
	return nil
}

// exists tells whether a host has a certificate: only the first control plane has super-admin.conf.
func (m *machine) exists(kind leafKind) bool {
	if kind.file == "" {
		return m.drive.has("/etc/kubernetes/" + kind.name)
	}
	return m.drive.has(m.pki(kind.file + ".crt"))
}

// kubeadm has the commands that scripts run on hosts.
func kubeadm(ctx context.Context, p *process) error {
	switch command := strings.Join(p.args[:min(len(p.args), 2)], " "); {
	case command == "certs renew" && len(p.args) == 3:
		return p.renewCertificates(p.args[2])
	case command == "upgrade apply" && len(p.args) == 4 && p.args[2] == "--yes":
		return p.upgradeApply(ctx, p.args[3])
	case command == "upgrade node" && len(p.args) == 2:
		return p.upgradeNode(ctx)
	case strings.Join(p.args, " ") == "upgrade node phase addon all":
		return p.upgradeAddons()
	}
	return usage(p)
}

func (p *process) renewCertificates(name string) error {
	m := p.shell.machine
	if !m.isControlPlane() {
		return errors.New("failed to load existing certificate apiserver: no such file or directory")
	}
	known := false
	for _, kind := range leafKinds() {
		if name != "all" && name != kind.name {
			continue
		}
		known = true
		if !m.exists(kind) {
			_, _ = fmt.Fprintf(p.ctx.Stdout, "MISSING! %s\n", kind.name)
			continue
		}
		if err := m.renew(kind, p.shell.node.clock.Now()); err != nil {
			return fmt.Errorf("failed to renew certificate %s: %w", kind.name, err)
		}
	}
	if !known {
		return fmt.Errorf("unknown command %q for \"kubeadm certs renew\"", name)
	}
	return nil
}
