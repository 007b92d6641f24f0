package kube

import (
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
	"time"

	corev1 "k8s.io/api/core/v1"
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
