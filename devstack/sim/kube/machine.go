package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path"
	"sync"
	"sync/atomic"
	"time"
)

const (
	componentEtcd      = "etcd"
	componentAPI       = "kube-apiserver"
	componentManager   = "kube-controller-manager"
	componentScheduler = "kube-scheduler"

	manifestFolder   = "/etc/kubernetes/manifests"
	kubeletConf      = "/etc/kubernetes/kubelet.conf"
	bootstrapConf    = "/etc/kubernetes/bootstrap-kubelet.conf"
	kubeletClientPEM = "/var/lib/kubelet/pki/kubelet-client-current.pem"
	kubeletServerPEM = "/var/lib/kubelet/pki/kubelet-server-current.pem"
)

func components() []string {
	return []string{componentEtcd, componentAPI, componentManager, componentScheduler}
}

// machine is a host that is in a cluster: its disk, and what the components on it have read from there when they started.
// It outlives the host's being switched off.
type machine struct {
	hostID  string
	host    Host
	plan    *plan
	cluster *cluster
	drive   *drive
	bound   chan struct{} // has a token when there may be a new pod for the kubelet

	mu        sync.Mutex
	node      *Node // nil while the host is off
	written   bool  // kubeadm's files are on the drive
	manifests map[string][]byte
	api       *apiServer  // nil while none runs
	etcd      *identity   // of the member; nil: what the cluster was made with
	etcdShows *shown      // of the last etcd that ran
	endEtcd   func()      // nil while no etcd runs
	manager   *manager    // nil while none runs
	kubelet   kubeletLife // zero while none runs
}

// apiServer is a running one.
type apiServer struct {
	server   *server
	shows    *shown
	unlisten func()
}

// shown is the certificate of a server, which reads it again when it has changed.
type shown struct {
	pair atomic.Pointer[tls.Certificate]
}

func newShown(pair tls.Certificate) *shown {
	s := &shown{}
	s.pair.Store(&pair)
	return s
}

func (s *shown) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.pair.Load(), nil }

// identity is what a component shows, and whom it trusts.
type identity struct {
	leaf   *x509.Certificate
	trusts []*x509.Certificate
}

func (i *identity) believes(leaf *x509.Certificate, now time.Time) bool {
	return trusted(i.trusts, leaf, now)
}

func trusted(roots []*x509.Certificate, leaf *x509.Certificate, now time.Time) bool {
	_, err := leaf.Verify(x509.VerifyOptions{Roots: certPool(roots), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

// kubeletLife is how a kubelet is.
type kubeletLife struct {
	running  bool
	identity *identity // nil: it has no certificate
	up       bool      // the API hears of it
}

func newMachine(host Host, p *plan, c *cluster) *machine {
	m := &machine{hostID: host.ID, host: host, plan: p, cluster: c, drive: newDrive(p.files), bound: make(chan struct{}, 1), manifests: map[string][]byte{}}
	c.bounds.Store(m.name(), m.bound)
	return m
}

func (m *machine) name() string { return m.plan.registration.name }

func (m *machine) isControlPlane() bool { return m.plan.config.localEndpoint() != nil }

// on tells the node that runs on the machine; nil when it is off.
func (m *machine) on() *Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.node
}

// serve starts the components of a control plane.
func (n *Node) serve(m *machine) error {
	for _, name := range components() {
		if err := n.startComponent(m, name); err != nil {
			return err
		}
	}
	n.onPowerOff(func() {
		for _, name := range components() {
			n.stopComponent(m, name)
		}
	})
	return nil
}

// startComponent starts one with what is on the disk now.
func (n *Node) startComponent(m *machine, name string) error {
	m.mu.Lock()
	written := m.written
	m.mu.Unlock()
	switch name {
	case componentEtcd:
		if err := n.startEtcd(m, written); err != nil {
			return err
		}
	case componentAPI:
		if !m.cluster.hasMember(m.hostID) {
			n.say("kube-apiserver: failed to connect to etcd at https://127.0.0.1:2379: connection refused")
			break
		}
		if err := n.startAPI(m, written); err != nil {
			return err
		}
	case componentManager:
		if written {
			m.startManager()
		}
	}
	m.mu.Lock()
	runs := (name != componentEtcd || m.endEtcd != nil) && (name != componentAPI || m.api != nil)
	m.mu.Unlock()
	return m.cluster.showStaticPod(m, name, runs)
}

func (n *Node) stopComponent(m *machine, name string) {
	switch name {
	case componentEtcd:
		m.mu.Lock()
		end := m.endEtcd
		m.endEtcd = nil
		m.mu.Unlock()
		if end != nil {
			end()
		}
		m.cluster.memberDown(n.host.ID)
	case componentAPI:
		m.mu.Lock()
		api := m.api
		m.api = nil
		m.mu.Unlock()
		if api != nil {
			api.unlisten()
			api.server.close()
		}
	case componentManager:
		m.mu.Lock()
		m.manager = nil
		m.mu.Unlock()
	}
	_ = m.cluster.showStaticPod(m, name, false) // of what is not readable nobody can tell
}

func (n *Node) startAPI(m *machine, written bool) error {
	c := m.cluster
	cas, cert := m.plan.authorities.trusted, tls.Certificate{}
	var err error
	if written {
		files := m.drive.snapshot()
		if cas, err = readCertificates(files, m.pki("ca.crt")); err == nil {
			cert, err = readPair(files, m.pki("apiserver.crt"), m.pki("apiserver.key"))
		}
	} else {
		names := servingNames(m.name(), n.host.FixedIPs, &c.config)
		cert, err = m.plan.authorities.ca.issueServing(names, n.clock.Now(), c.config.CertificateValidityPeriod.Duration)
	}
	if err != nil {
		return fmt.Errorf("kube-apiserver: %w", err)
	}
	port := int(m.plan.config.localEndpoint().BindPort)
	shows := newShown(cert)
	api := &apiServer{server: newServer(c, n, shows, cas), shows: shows}
	api.unlisten = n.fabric.Listen(n.host.ID, port, api.server.accept)
	m.mu.Lock()
	m.api = api
	m.mu.Unlock()
	n.say(fmt.Sprintf("kube-apiserver: Serving securely on [::]:%d", port))
	return nil
}

// pki is the path of a file among the certificates.
func (m *machine) pki(name string) string {
	return path.Join(m.cluster.config.CertificatesDir, name)
}

// noticeManifests is the kubelet's look at the folder of static pods: those that have changed are made anew.
func (n *Node) noticeManifests(_ context.Context, m *machine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.written || !m.kubelet.running || !m.isControlPlane() {
		return
	}
	for _, name := range components() {
		content, err := m.drive.read(path.Join(manifestFolder, name+".yaml"))
		if err != nil || bytes.Equal(content, m.manifests[name]) {
			continue
		}
		m.manifests[name] = content
		n.spawn(func(ctx context.Context) { n.restartComponent(ctx, m, name) })
	}
}

func (n *Node) restartComponent(ctx context.Context, m *machine, name string) {
	n.stopComponent(m, name)
	if n.clock.Sleep(ctx, componentLatency) != nil {
		return
	}
	err := n.retry(ctx, "kubelet: "+name, 0, true, func(context.Context) error { return n.startComponent(m, name) })
	if err == nil {
		m.cluster.review()
	}
}

// stopKubelet and startKubelet are systemd's.
func (n *Node) stopKubelet(m *machine) {
	m.mu.Lock()
	m.kubelet = kubeletLife{up: m.kubelet.up}
	m.mu.Unlock()
	m.cluster.review()
}

func (n *Node) startKubelet(m *machine) {
	m.mu.Lock()
	if !m.written {
		m.kubelet = kubeletLife{running: true, up: true}
		m.mu.Unlock()
		return
	}
	m.mu.Unlock()
	files := m.drive.snapshot()
	id, err := readKubeconfig(files, kubeletConf)
	m.mu.Lock()
	m.kubelet.running, m.kubelet.identity = err == nil || files.has(bootstrapConf), id
	m.mu.Unlock()
	switch {
	case err != nil && files.has(bootstrapConf):
		n.spawn(func(ctx context.Context) { n.bootstrapKubelet(ctx, m) })
	case err != nil:
		n.say("kubelet: failed to run Kubelet: " + err.Error())
	default:
		n.spawn(func(ctx context.Context) {
			_ = n.retry(ctx, "kubelet: failed to request a serving certificate", 0, true, func(context.Context) error { return m.cluster.requestServing(m) })
		})
	}
	m.cluster.review()
	n.noticeManifests(context.Background(), m)
}

// bootstrapKubelet asks for a client certificate until it has one, or the kubelet is stopped.
func (n *Node) bootstrapKubelet(ctx context.Context, m *machine) {
	errStopped := errors.New("the kubelet was stopped")
	for {
		err := n.requestCertificate(m, errStopped)
		if err == nil {
			n.startKubelet(m)
			return
		}
		if errors.Is(err, errStopped) {
			return
		}
		n.say("kubelet: failed to request a certificate: " + err.Error())
		if n.clock.Sleep(ctx, retryInterval) != nil {
			return
		}
	}
}

func (n *Node) requestCertificate(m *machine, errStopped error) error {
	m.mu.Lock()
	waits := m.kubelet.running && m.kubelet.identity == nil
	m.mu.Unlock()
	if !waits {
		return errStopped
	}
	files := m.drive.snapshot()
	config, err := parseKubeconfig(files, bootstrapConf)
	if err != nil {
		return err
	}
	c := m.cluster
	if err := c.checkToken(config.token); err != nil {
		return err
	}
	if !c.serves(&identity{trusts: config.trusts}, false) {
		return errors.New("tls: failed to verify certificate: x509: certificate signed by unknown authority")
	}
	signer, err := c.signer()
	if err != nil {
		return err
	}
	cert, key, err := signer.issueClient("system:node:"+m.name(), []string{"system:nodes"}, n.clock.Now(), c.config.CertificateValidityPeriod.Duration)
	if err != nil {
		return err
	}
	m.drive.write(kubeletClientPEM, append(cert, key...), 0o600)
	m.drive.write(kubeletConf, kubeconfigFor(config.server, config.ca, kubeletClientPEM), 0o600)
	return nil
}

// readOwn writes out what kubeadm has written, and has the components know what they have read of it.
func (m *machine) readOwn() error {
	m.mu.Lock()
	written := m.written
	m.mu.Unlock()
	if written {
		return nil
	}
	signer, err := m.cluster.signer()
	if err != nil { // nobody has looked before: all is as on the first day
		signer = &m.cluster.authorities.ca
	}
	if err := m.writeOut(m.host.FixedIPs, architecture(m.host.Image["architecture"]), signer); err != nil {
		return err
	}
	files := m.drive.snapshot()
	id, err := readKubeconfig(files, kubeletConf)
	if err != nil {
		return err
	}
	m.mu.Lock()
	if m.kubelet.running {
		m.kubelet.identity = id
	}
	m.mu.Unlock()
	if !m.isControlPlane() {
		return nil
	}
	m.startManager()
	id, err = readIdentity(files, m.pki("etcd/peer.crt"), m.pki("etcd/ca.crt"))
	m.mu.Lock()
	m.etcd = id
	m.mu.Unlock()
	return err
}

// report has the kubelet tell the API something, if that believes it.
func (m *machine) report(tell func() error) error {
	m.mu.Lock()
	up := m.kubelet.up
	m.mu.Unlock()
	if !up {
		return fmt.Errorf("the API server refuses the kubelet of %s, or that the API server", m.name())
	}
	return tell()
}
