package kube

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"path"
	"strings"
	"time"
)

const (
	caName         = "ca"
	frontProxyName = "front-proxy-ca"
	etcdName       = "etcd/ca"
	accountsName   = "sa"
)

// authority is a CA of a cluster.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// authorities are what a control plane's user data has of the cluster's PKI.
type authorities struct {
	ca, etcd authority
	// trusted are all that stand in the file of ca: those that are being replaced are behind the one that signs.
	trusted []*x509.Certificate
	// fingerprints of the four pairs by name, to compare those of two control planes
	fingerprints map[string]string
}

// loadAuthorities reads the CAs and the service accounts' key below a folder of the disk, and checks them as kubeadm's
// certs phase does. Keys that others may read are refused: kubeadm would not mind, but the contract of the user data does.
func loadAuthorities(disk fileSystem, folder string) (*authorities, error) {
	loaded := &authorities{fingerprints: map[string]string{}}
	for _, name := range []string{caName, frontProxyName, etcdName} {
		pair, err := loadAuthority(disk, path.Join(folder, name))
		if err != nil {
			return nil, err
		}
		switch name {
		case caName:
			loaded.ca = pair
			if loaded.trusted, err = readCertificates(disk, path.Join(folder, name)+".crt"); err != nil {
				return nil, err
			}
		case etcdName:
			loaded.etcd = pair
		}
		loaded.fingerprints[name] = fingerprint(pair.cert.Raw)
	}
	public, err := loadAccountsKey(disk, path.Join(folder, accountsName))
	if err != nil {
		return nil, err
	}
	loaded.fingerprints[accountsName] = fingerprint(public)
	return loaded, nil
}

func loadAuthority(disk fileSystem, base string) (authority, error) {
	certPEM, err := disk.read(base + ".crt")
	if err != nil {
		return authority{}, err
	}
	certs, err := parseCertificates(certPEM, base+".crt")
	if err != nil {
		return authority{}, fmt.Errorf("couldn't load the certificate file %s.crt: %w", base, err)
	}
	cert := certs[0] // kubeadm takes the first one for its own
	if !cert.IsCA || !cert.BasicConstraintsValid || cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return authority{}, fmt.Errorf("certificate %s.crt is not a CA", base)
	}
	key, err := loadKey(disk, base+".key")
	if err != nil {
		return authority{}, err
	}
	if !samePublicKey(key.Public(), cert.PublicKey) {
		return authority{}, fmt.Errorf("couldn't load %s certificate authority from %s: private key does not match the certificate",
			path.Base(base), path.Dir(base))
	}
	return authority{cert: cert, key: key}, nil
}

// loadAccountsKey returns the public key of the service accounts' tokens in DER form.
func loadAccountsKey(disk fileSystem, base string) ([]byte, error) {
	key, err := loadKey(disk, base+".key")
	if err != nil {
		return nil, err
	}
	publicPEM, err := disk.read(base + ".pub")
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(publicPEM)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("couldn't load the public key file %s.pub: no public key in PEM form", base)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("couldn't load the public key file %s.pub: %w", base, err)
	}
	if !samePublicKey(key.Public(), public) {
		return nil, fmt.Errorf("the public key %s.pub is not that of %s.key", base, base)
	}
	return block.Bytes, nil
}

func loadKey(disk fileSystem, name string) (crypto.Signer, error) {
	content, err := disk.read(name)
	if err != nil {
		return nil, err
	}
	if mode := disk[name].mode; mode&0o077 != 0 {
		return nil, fmt.Errorf("private key %s has permissions %04o: it must be readable by its owner only", name, mode)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("couldn't load the private key file %s: no key in PEM form", name)
	}
	var key any
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		err = fmt.Errorf("it is a %s", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't load the private key file %s: %w", name, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("couldn't load the private key file %s: it cannot sign", name)
	}
	return signer, nil
}

func certPool(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool
}

func samePublicKey(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}

func (d fileSystem) read(name string) ([]byte, error) {
	f, there := d[name]
	if !there {
		return nil, fmt.Errorf("open %s: no such file or directory", name)
	}
	return f.content, nil
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// issueServing makes the certificate of an API server. It is valid from the day of the CA, as kubeadm has it, so that
// clients whose clock is behind accept it.
func (a authority) issueServing(names []string, now time.Time, validity time.Duration) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the API server's key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "kube-apiserver"},
		NotBefore:    a.cert.NotBefore,
		NotAfter:     now.Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	addNames(template, names)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("sign the API server's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// addNames puts names and addresses into a certificate, each once.
func addNames(template *x509.Certificate, names []string) {
	seen := map[string]bool{}
	for _, name := range names {
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
}

// etcdNames are the names that kubeadm puts into the certificates of a member of etcd.
func etcdNames(node string, addresses []string) []string {
	return append([]string{node, "localhost", "127.0.0.1", "::1"}, addresses...)
}

// servingNames are the names that kubeadm puts into the certificate of an API server.
func servingNames(node string, addresses []string, cluster *clusterConfiguration) []string {
	names := []string{
		node, "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc." + cluster.Networking.DNSDomain, firstServiceIP(cluster),
	}
	names = append(names, addresses...)
	if host, _, err := net.SplitHostPort(cluster.ControlPlaneEndpoint); err == nil {
		names = append(names, host)
	}
	return append(names, cluster.APIServer.CertSANs...)
}

// firstServiceIP is the address of the service "kubernetes".
func firstServiceIP(cluster *clusterConfiguration) string {
	first, _, _ := strings.Cut(cluster.Networking.ServiceSubnet, ",")
	subnet, err := netip.ParsePrefix(first)
	if err != nil {
		return ""
	}
	return subnet.Masked().Addr().Next().String()
}
