package kube

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// leaf is a certificate that kubeadm makes on a control plane.
type leafKind struct {
	name      string // as `kubeadm certs renew` has it
	file      string // below the folder of the certificates, without its ending; "" for a kubeconfig
	authority string
	subject   pkix.Name
}

func leafKinds() []leafKind {
	admins := []string{adminsGroup}
	return []leafKind{
		{"admin.conf", "", caName, pkix.Name{CommonName: "kubernetes-admin", Organization: admins}},
		{"apiserver", "apiserver", caName, pkix.Name{CommonName: "kube-apiserver"}},
		{"apiserver-etcd-client", "apiserver-etcd-client", etcdName, pkix.Name{CommonName: "kube-apiserver-etcd-client"}},
		{"apiserver-kubelet-client", "apiserver-kubelet-client", caName, pkix.Name{CommonName: "kube-apiserver-kubelet-client", Organization: admins}},
		{"controller-manager.conf", "", caName, pkix.Name{CommonName: "system:kube-controller-manager"}},
		{"etcd-healthcheck-client", "etcd/healthcheck-client", etcdName, pkix.Name{CommonName: "kube-etcd-healthcheck-client"}},
		{"etcd-peer", "etcd/peer", etcdName, pkix.Name{}},
		{"etcd-server", "etcd/server", etcdName, pkix.Name{}},
		{"front-proxy-client", "front-proxy-client", frontProxyName, pkix.Name{CommonName: "front-proxy-client"}},
		{"scheduler.conf", "", caName, pkix.Name{CommonName: "system:kube-scheduler"}},
		{"super-admin.conf", "", caName, pkix.Name{CommonName: "kubernetes-super-admin", Organization: []string{mastersGroup}}},
	}
}

// issue makes a key and its certificate.
func (a authority) issue(template *x509.Certificate, now time.Time, validity time.Duration) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63)); err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	template.NotBefore, template.NotAfter, template.KeyUsage = a.cert.NotBefore, now.Add(validity), x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign a certificate: %w", err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a key: %w", err)
	}
	return encodePEM(der), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}), nil
}

func (a authority) issueClient(name string, groups []string, now time.Time, validity time.Duration) (certPEM, keyPEM []byte, err error) {
	return a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: name, Organization: groups}}, now, validity)
}

func encodePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// readCertificates reads all certificates of a file.
func readCertificates(files fileSystem, name string) ([]*x509.Certificate, error) {
	content, err := files.read(name)
	if err != nil {
		return nil, err
	}
	return parseCertificates(content, name)
}

func parseCertificates(content []byte, name string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", name, err)
		}
		out = append(out, cert)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no certificate in PEM form", name)
	}
	return out, nil
}

func readPair(files fileSystem, certFile, keyFile string) (tls.Certificate, error) {
	cert, err := files.read(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := files.read(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

func readIdentity(files fileSystem, certFile, caFile string) (*identity, error) {
	certs, err := readCertificates(files, certFile)
	if err != nil {
		return nil, err
	}
	cas, err := readCertificates(files, caFile)
	return &identity{leaf: certs[0], trusts: cas}, err
}

// kubeconfig is what a client needs of one.
type kubeconfig struct {
	server string
	ca     []byte
	token  string
	*identity
}

// parseKubeconfig reads a kubeconfig as its client does: the current context, and the files that it names.
func parseKubeconfig(files fileSystem, name string) (*kubeconfig, error) {
	content, err := files.read(name)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.Load(content)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	current := config.Contexts[config.CurrentContext]
	if current == nil || config.Clusters[current.Cluster] == nil || config.AuthInfos[current.AuthInfo] == nil {
		return nil, fmt.Errorf("invalid kubeConfig file %s: missing context, cluster or user", name)
	}
	cluster, user := config.Clusters[current.Cluster], config.AuthInfos[current.AuthInfo]
	out := &kubeconfig{server: cluster.Server, ca: cluster.CertificateAuthorityData, token: user.Token, identity: &identity{}}
	if out.trusts, err = parseCertificates(cluster.CertificateAuthorityData, name); err != nil {
		return nil, err
	}
	cert := user.ClientCertificateData
	if user.ClientCertificate != "" {
		if cert, err = files.read(user.ClientCertificate); err != nil {
			return nil, err
		}
	}
	if len(cert) > 0 {
		leafs, err := parseCertificates(cert, name)
		if err != nil {
			return nil, err
		}
		out.leaf = leafs[0]
	}
	return out, nil
}

// readKubeconfig reads one that has a client certificate.
func readKubeconfig(files fileSystem, name string) (*identity, error) {
	config, err := parseKubeconfig(files, name)
	if err != nil {
		return nil, err
	}
	if config.leaf == nil {
		return nil, fmt.Errorf("%s has no client certificate", name)
	}
	return config.identity, nil
}

// kubeconfigFor names a file with certificate and key, or nothing.
func kubeconfigFor(server string, ca []byte, pemFile string) []byte {
	return encodeKubeconfig(server, ca, &clientcmdapi.AuthInfo{ClientCertificate: pemFile, ClientKey: pemFile})
}

func encodeKubeconfig(server string, ca []byte, user *clientcmdapi.AuthInfo) []byte {
	out, err := clientcmd.Write(clientcmdapi.Config{
		Clusters:  map[string]*clientcmdapi.Cluster{"kubernetes": {Server: server, CertificateAuthorityData: ca}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"user": user}, CurrentContext: "default",
		Contexts: map[string]*clientcmdapi.Context{"default": {Cluster: "kubernetes", AuthInfo: "user"}},
	})
	if err != nil {
		return nil // it is then found to be no kubeconfig
	}
	return out
}

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

// writeOut puts on the disk what kubeadm and the kubelet have written there, once.
func (m *machine) writeOut(addresses []string, arch string, signer *authority) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.written {
		return nil
	}
	c, now := m.cluster, m.cluster.clock.Now()
	validity := c.config.CertificateValidityPeriod.Duration
	server := "https://" + c.config.ControlPlaneEndpoint
	if c.config.ControlPlaneEndpoint == "" {
		server = "https://" + net.JoinHostPort(addresses[0], strconv.Itoa(6443))
	}
	for _, name := range []string{"kubeadm", "kubelet", "kubectl"} {
		m.drive.write("/usr/bin/"+name, binary(name, m.plan.registration.version, arch), 0o755)
	}
	bundle, err := m.bundle()
	if err != nil {
		return err
	}
	if m.isControlPlane() {
		for _, kind := range leafKinds() {
			if kind.name == "super-admin.conf" && m.plan.config.init == nil {
				continue
			}
			if err := m.writeLeaf(kind, server, addresses, now, validity); err != nil {
				return err
			}
		}
		for _, name := range components() {
			m.manifests[name] = m.manifest(name)
			m.drive.write(manifestFolder+"/"+name+".yaml", m.manifests[name], 0o600)
		}
	}
	cert, key, err := signer.issueClient("system:node:"+m.name(), []string{"system:nodes"}, now, validity)
	if err != nil {
		return err
	}
	m.drive.write(kubeletClientPEM, slices.Concat(cert, key), 0o600)
	m.drive.write(kubeletConf, kubeconfigFor(server, bundle, kubeletClientPEM), 0o600)
	m.written = true
	return nil
}

// bundle is what the host trusts: a worker's is what it was told to believe the API by.
func (m *machine) bundle() ([]byte, error) {
	if content, err := m.drive.read(m.pki("ca.crt")); err == nil {
		return content, nil
	}
	if m.plan.discovery == nil {
		return nil, errors.New("the host has no authority")
	}
	m.drive.write(m.pki("ca.crt"), m.plan.discovery.ca, 0o644)
	return m.plan.discovery.ca, nil
}

func (m *machine) writeLeaf(kind leafKind, server string, addresses []string, now time.Time, validity time.Duration) error {
	if kind.name == "apiserver" && m.api != nil {
		serving := m.api.shows.pair.Load()
		raw, err := x509.MarshalECPrivateKey(serving.PrivateKey.(*ecdsa.PrivateKey)) //nolint:errcheck,forcetypeassert // made by issueServing
		if err != nil {
			return fmt.Errorf("encode a key: %w", err)
		}
		m.drive.write(m.pki("apiserver.crt"), encodePEM(serving.Certificate[0]), 0o644)
		m.drive.write(m.pki("apiserver.key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}), 0o600)
		return nil
	}
	ca, err := loadAuthority(m.drive.snapshot(), m.pki(kind.authority))
	if err != nil {
		return err
	}
	template := &x509.Certificate{Subject: kind.subject}
	if kind.subject.CommonName == "" {
		template.Subject.CommonName = m.name()
	}
	switch kind.name {
	case "apiserver":
		addNames(template, servingNames(m.name(), addresses, &m.cluster.config))
	case "etcd-server", "etcd-peer":
		addNames(template, etcdNames(m.name(), addresses))
	}
	cert, key, err := ca.issue(template, now, validity)
	if err != nil {
		return err
	}
	if kind.file == "" {
		user := &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
		m.drive.write("/etc/kubernetes/"+kind.name, encodeKubeconfig(server, encodePEM(ca.cert.Raw), user), 0o600)
		return nil
	}
	m.drive.write(m.pki(kind.file+".crt"), cert, 0o644)
	m.drive.write(m.pki(kind.file+".key"), key, 0o600)
	return nil
}

// manifest of a static pod, as far as anything reads it.
func (m *machine) manifest(name string) []byte {
	pod := staticPod(m.name(), name)
	pod.Name, pod.Spec.NodeName, pod.Annotations = name, "", nil
	if name == componentAPI {
		pod.Annotations = map[string]string{"kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint": m.ownAPI()}
	}
	pod.Spec.Containers = []corev1.Container{{Name: name, Image: m.image(name)}}
	return encodeYAML(pod)
}

// ownAPI is where the API server of a control plane listens.
func (m *machine) ownAPI() string {
	return net.JoinHostPort(m.host.FixedIPs[0], strconv.Itoa(int(m.plan.config.localEndpoint().BindPort)))
}

// image of a component, as the host's kubeadm installs it.
func (m *machine) image(name string) string {
	return "registry.k8s.io/" + name + ":" + m.plan.registration.version
}
