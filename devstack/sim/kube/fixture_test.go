package kube

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"go.uber.org/goleak"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fastClock runs many times as fast as the wall's. A machine that is busy for a second has it jump by factor seconds, so
// nothing is asserted about how long things took by it.
type fastClock struct {
	start  time.Time
	factor time.Duration
}

const clockFactor = 100

func newFastClock() *fastClock { return &fastClock{start: time.Now(), factor: clockFactor} }

func (c *fastClock) Now() time.Time { return c.start.Add(time.Since(c.start) * c.factor) }

func (c *fastClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d / c.factor)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pipeFabric connects hosts through pipes. An address is that of one host, or of a load balancer over several.
type pipeFabric struct {
	Clusters

	mu        sync.Mutex
	addresses map[string][]string // host ids by address
	listeners map[string]func(net.Conn)
	dials     map[string]int // by the host they came from
}

func newPipeFabric() *pipeFabric {
	return &pipeFabric{addresses: map[string][]string{}, listeners: map[string]func(net.Conn){}, dials: map[string]int{}}
}

func (f *pipeFabric) Dial(_ context.Context, from, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials[from]++
	targets := f.addresses[host]
	for i := range targets { // the next one of those that listen
		target := targets[(i+f.dials[from])%len(targets)]
		if accept := f.listeners[target+":"+port]; accept != nil {
			near, far := net.Pipe()
			accept(far)
			return near, nil
		}
	}
	return nil, fmt.Errorf("dial tcp %s: connection refused", address)
}

func (f *pipeFabric) Listen(hostID string, port int, accept func(net.Conn)) func() {
	key := fmt.Sprintf("%s:%d", hostID, port)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners[key] = accept
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.listeners, key)
	}
}

func (f *pipeFabric) dialled(from string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials[from]
}

// testPKI is what a cluster's owner makes.
type testPKI struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	files map[string][]byte
}

func newPKI(t *testing.T) *testPKI {
	t.Helper()
	p := &testPKI{files: map[string][]byte{}}
	for _, name := range []string{"ca", "front-proxy-ca", "etcd/ca"} {
		key := newKey(t)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
			NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		cert := sign(t, template, template, key.Public(), key)
		if name == "ca" {
			p.cert, p.key = cert, key
		}
		p.files[name+".crt"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		p.files[name+".key"] = encodeKey(t, key)
	}
	p.files["signing-ca.crt"] = p.files["ca.crt"]
	accounts := newKey(t)
	public, err := x509.MarshalPKIXPublicKey(accounts.Public())
	check(t, err)
	p.files["sa.key"] = encodeKey(t, accounts)
	p.files["sa.pub"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	return p
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

func encodeKey(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func sign(t *testing.T, template, parent *x509.Certificate, public any, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	check(t, err)
	cert, err := x509.ParseCertificate(der)
	check(t, err)
	return cert
}

// client makes a certificate for a person.
func (p *testPKI) client(t *testing.T, name string, groups ...string) (certPEM, keyPEM []byte) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name, Organization: groups}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(365 * 24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	cert := sign(t, template, p.cert, key.Public(), p.key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), encodeKey(t, key)
}

// writeFiles is the PKI as entries of write_files.
func (p *testPKI) writeFiles() string {
	var b strings.Builder
	for _, name := range []string{"ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key", "sa.key", "sa.pub", "signing-ca.crt"} {
		mode := "0644"
		if strings.HasSuffix(name, ".key") {
			mode = "0600"
		}
		fmt.Fprintf(&b, "- path: /etc/kubernetes/pki/%s\n  permissions: %q\n  encoding: b64\n  content: %s\n",
			name, mode, base64.StdEncoding.EncodeToString(p.files[name]))
	}
	return b.String()
}

const (
	testToken  = "abcdef.0123456789abcdef"
	initScript = "#!/bin/bash\n# kubeadm init comes later\nuntil kubeadm init --config /etc/kubernetes/kubeadm.yaml --skip-token-print; do kubeadm reset --force; sleep 5; done\n"
	joinScript = "#!/bin/bash\nset -eu\nuntil kubeadm join --config /etc/kubernetes/kubeadm.yaml; do sleep 2; done\n"
)

// discoveryFile leads joining hosts to an API, in base64.
func discoveryFile(pki *testPKI) string {
	return base64.StdEncoding.EncodeToString(encodeKubeconfig("https://10.0.0.5:6443", pki.files["ca.crt"], &clientcmdapi.AuthInfo{}))
}

// userData renders one of the good examples of testdata.
func userData(t *testing.T, name string, pki *testPKI, more map[string]string) string {
	t.Helper()
	values := map[string]string{
		"Token": testToken, "SigningFile": "/etc/kubernetes/pki/signing-ca.crt", "TTL": "24h", "Discovery": discoveryFile(pki), "Authorities": pki.writeFiles(),
		"InitScript": packed(t, initScript), "JoinScript": packed(t, joinScript),
	}
	for key, value := range more {
		values[key] = value
	}
	content, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	check(t, err)
	var rendered strings.Builder
	check(t, template.Must(template.New(name).Option("missingkey=error").Parse(string(content))).Execute(&rendered, values))
	return rendered.String()
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	check(t, errors.Join(err, w.Close()))
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// cloud is a fabric with a load balancer at 10.0.0.5 in front of three control planes.
type cloud struct {
	t      *testing.T
	fabric *pipeFabric
	clock  *fastClock
	pki    *testPKI
	nodes  map[string]*Node
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{t: t, fabric: newPipeFabric(), clock: newFastClock(), pki: newPKI(t), nodes: map[string]*Node{}}
	c.fabric.addresses["10.0.0.5"] = []string{"id-demo-master-0", "id-demo-master-1", "id-demo-master-2"}
	for i, id := range c.fabric.addresses["10.0.0.5"] {
		c.fabric.addresses[fmt.Sprintf("10.0.0.1%d", i)] = []string{id}
	}
	return c
}

func (c *cloud) master(i int) Host {
	name, ip := fmt.Sprintf("demo-master-%d", i), fmt.Sprintf("10.0.0.1%d", i)
	example := "control-plane"
	if i == 0 {
		example = "first-control-plane"
	}
	return c.host(name, ip, userData(c.t, example, c.pki, map[string]string{"Name": name, "IP": ip}))
}

func (c *cloud) worker(i int) Host {
	name := fmt.Sprintf("demo-node-%d", i)
	return c.host(name, fmt.Sprintf("10.0.0.2%d", i), userData(c.t, "worker", c.pki, map[string]string{"Name": name, "ID": "id-" + name}))
}

func (c *cloud) host(name, ip, data string) Host {
	return Host{ID: "id-" + name, Name: name, FixedIPs: []string{ip}, UserData: []byte(data), Image: map[string]string{"kube_version": "v1.37.2", "os_distro": "debian"}}
}

func (c *cloud) boot(hosts ...Host) {
	c.t.Helper()
	for _, host := range hosts {
		node, err := Boot(context.Background(), host, c.fabric, c.clock)
		check(c.t, err)
		c.nodes[host.Name] = node
		c.t.Cleanup(node.Stop)
	}
}

func (c *cloud) awaitState(state string, names ...string) {
	c.t.Helper()
	for _, name := range names {
		node := c.nodes[name]
		await(c.t, func() error {
			if got := node.State(); got != state {
				return fmt.Errorf("%s is %s, not %s; console:\n%s", name, got, state, strings.Join(node.Console(), "\n"))
			}
			return nil
		})
	}
}

// config is that of a client outside, who verifies the endpoint with the cluster's CA.
func (c *cloud) config(groups ...string) *rest.Config {
	c.t.Helper()
	cert, key := c.pki.client(c.t, "someone", groups...)
	return &rest.Config{
		Host:            "https://10.0.0.5:6443",
		TLSClientConfig: rest.TLSClientConfig{CAData: c.pki.files["ca.crt"], CertData: cert, KeyData: key},
		QPS:             1000, Burst: 1000, Timeout: 20 * time.Second, UserAgent: "tests/1",
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			return c.fabric.Dial(ctx, "outside", address)
		},
	}
}

func (c *cloud) client(groups ...string) *kubernetes.Clientset {
	c.t.Helper()
	client, err := kubernetes.NewForConfig(c.config(groups...))
	check(c.t, err)
	return client
}

// await polls until the condition holds.
func await(t *testing.T, condition func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func consoleHas(node *Node, text string) bool {
	return slices.ContainsFunc(node.Console(), func(line string) bool { return strings.Contains(line, text) })
}

func errNoLine(node *Node) error {
	return fmt.Errorf("it is %s, console:\n%s", node.State(), strings.Join(node.Console(), "\n"))
}
