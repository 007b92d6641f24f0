package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
)

// KubeClients keeps one client per cluster, so that a poll costs a request and no handshake.
type KubeClients struct {
	mu      sync.Mutex
	clients map[string]*kubeEntry
}

type kubeEntry struct {
	client  *kube.Client
	access  string
	expires time.Time
}

const (
	maxKubeClients = 1000
	kubeClientLife = time.Hour // of the certificate, less the time it takes to use it
)

// Close drops all connections.
func (k *KubeClients) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, e := range k.clients {
		e.client.Close()
		delete(k.clients, id)
	}
}

// forget drops one, whose cluster is going away.
func (k *KubeClients) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.clients[id]; e != nil {
		e.client.Close()
		delete(k.clients, id)
	}
}

// get gives the client of a cluster, which is made when there is none for its address and what it is trusted by.
func (k *KubeClients) get(id, access string, now time.Time, make func() (*kube.Client, error)) (*kube.Client, error) {
	if c := k.find(id, access, now); c != nil {
		return c, nil
	}
	c, err := make() // not with the lock held: it may read the CA from afar
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.clients == nil {
		k.clients = map[string]*kubeEntry{}
	}
	if e := k.clients[id]; e != nil {
		e.client.Close()
	}
	for old, e := range k.clients {
		if len(k.clients) < maxKubeClients && now.Before(e.expires) {
			break
		}
		e.client.Close()
		delete(k.clients, old)
	}
	k.clients[id] = &kubeEntry{client: c, access: access, expires: now.Add(kubeClientLife)}
	return c, nil
}

func (k *KubeClients) find(id, access string, now time.Time) *kube.Client {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.clients[id]; e != nil && e.access == access && now.Before(e.expires) {
		return e.client
	}
	return nil
}

// kube gives an administrator's client of the cluster, at the address that everybody uses.
func (w *work) kube(ctx context.Context) (*kube.Client, error) {
	address, ok := w.publicAddress()
	if !ok {
		return nil, errors.New("the address of the Kubernetes API is not known")
	}
	endpoint := "https://" + net.JoinHostPort(address, strconv.Itoa(w.spec.APIPort))
	return w.e.kubeClient(w.s.Cluster, endpoint, func(name string) (pki.Bundle, error) { return w.secret(ctx, name) })
}

// kubeClient gives an administrator's client of a cluster, whose secrets are read only when there is none. A client that
// knows other authorities is another client.
func (e *Executor) kubeClient(c *db.Cluster, endpoint string, secret func(name string) (pki.Bundle, error)) (*kube.Client, error) {
	access := endpoint
	for _, name := range ops.Trusted(c.SecretRefs, ops.SecretCA) {
		access += " " + c.SecretRefs[name]
	}
	return e.Kube.get(c.UUID, access, e.Now(), func() (*kube.Client, error) {
		ca, err := secret(ops.SecretCA)
		if err != nil {
			return nil, err
		}
		trusted, err := trust(c.SecretRefs, ops.SecretCA, secret)
		if err != nil {
			return nil, err
		}
		cert, key, err := clientCertificate(ca, e.Now())
		if err != nil {
			return nil, err
		}
		return kube.New(kube.Access{Endpoint: endpoint, CA: trusted, ClientCert: cert, ClientKey: key})
	})
}

// clientCertificate makes a short-lived certificate of an administrator. Its key never leaves the process.
func clientCertificate(ca pki.Bundle, now time.Time) (cert, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	request := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "jeroboam-conductor", Organization: []string{"system:masters"}}}
	csr, err := x509.CreateCertificateRequest(rand.Reader, request, key)
	if err != nil {
		return nil, nil, fmt.Errorf("making a certificate request: %w", err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a key: %w", err)
	}
	cert, err = pki.SignCSR(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}),
		pki.Options{TermOfValidity: 2 * kubeClientLife, Source: pki.Source{Now: now, Rand: rand.Reader}})
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), err
}

// apiReady asks the API whether it is, over the cluster's own CA.
func (w *work) apiReady(ctx context.Context) drivers.Result {
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	switch err := c.Ready(ctx); {
	case err == nil:
		return drivers.Done()
	case errors.Is(err, kube.ErrUnreachable):
		return drivers.Continue(w.booted(w.controlPlanes()...), "the Kubernetes API does not answer yet: %s", short(err))
	default:
		return drivers.Continue(w.soon(), "the Kubernetes API is not ready yet: %s", short(err))
	}
}

func short(err error) string {
	s := err.Error()
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}

// nodes lists the cluster's nodes, once per slice.
func (w *work) nodes(ctx context.Context) (map[string]kube.Node, error) {
	return drivers.Once(w.site.Memo, "nodes", func() (map[string]kube.Node, error) {
		c, err := w.kube(ctx)
		if err != nil {
			return nil, err
		}
		l, err := c.Nodes(ctx)
		byName := map[string]kube.Node{}
		for _, n := range l {
			byName[n.Name] = n
		}
		if err == nil {
			w.seen(byName)
		}
		return byName, err
	})
}

// nodeReady is Done when the node was seen, ready and at the version.
func (w *work) nodeReady(ctx context.Context, n *db.Node, version string) drivers.Result {
	all, err := w.nodes(ctx)
	if err != nil {
		return drivers.Transient(err)
	}
	x, ok := all[n.Name]
	switch {
	case !ok:
		return drivers.Continue(w.booted(w.group(n.NodeGroupUUID)), "node %s to join the cluster", n.Name)
	case x.Version != version:
		return drivers.Failed(drivers.ClassUser, "node %s runs Kubernetes %s instead of %s: the image does not have what its property kube_version says", n.Name, x.Version, version)
	}
	serves := w.kubeletServes(ctx, n) // approved while the node becomes ready, so that nobody waits for it afterwards
	if !x.Ready {
		return drivers.Continue(w.soon(), "node %s to be ready: %s", n.Name, x.Reason)
	}
	if slices.ContainsFunc(x.Taints, func(t kube.Taint) bool { return t.Key == uninitialized }) {
		return drivers.Continue(w.soon(), "node %s to be initialized by the cloud controller manager", n.Name)
	}
	if r := w.routePods(ctx, n, x.PodCIDR); !r.IsDone() {
		return r
	}
	if !serves.IsDone() {
		return serves
	}
	return w.dressNode(ctx, n)
}

// soon is when to ask a cluster itself again about what comes within seconds: its API is ready, what a node lacks that has
// joined, a host command ends, components start again. It is what a user waits for last, or many times in a row, and costs the
// cloud nothing. Where there are many nodes a look costs more, and some node is always the next.
func (w *work) soon() time.Duration {
	if len(w.s.Nodes) > 100 {
		return drivers.PollInterval
	}
	return time.Second
}

// booted is when to look again for what hosts of these groups are to become. Metal takes its minutes.
func (w *work) booted(groups ...*db.NodeGroup) time.Duration {
	if slices.ContainsFunc(groups, func(g *db.NodeGroup) bool { return g != nil && groupSpec(g).ResourceClass != "" }) {
		return drivers.PollInterval
	}
	return w.soon()
}

// uninitialized taints nodes of which no cloud controller manager has said yet who they are.
const uninitialized = "node.cloudprovider.kubernetes.io/uninitialized"

// routePods leads what is for a node's pods there, where the cluster's router does that.
func (w *work) routePods(ctx context.Context, n *db.Node, pods string) drivers.Result {
	switch {
	case w.spec.PodNetworkMode != ops.PodsRouted:
		return drivers.Done()
	case pods == "":
		return drivers.Continue(w.soon(), "node %s to get addresses for its pods", n.Name)
	}
	return w.e.Infra.EnsureRoute(ctx, w.site, n.Name, pods)
}

// dressNode makes labels and taints of a node those of its group. The kubelet gave itself most of them when it joined;
// set by us too they can be changed later, and those are added that a kubelet may not give to its own node.
func (w *work) dressNode(ctx context.Context, n *db.Node) drivers.Result {
	g := w.group(n.NodeGroupUUID)
	if g == nil {
		return drivers.Done()
	}
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	labels, taints := w.dress(g, n)
	if err := c.LabelNode(ctx, n.Name, labels); err != nil {
		return drivers.Transient(fmt.Errorf("labelling %s: %w", n.Name, err))
	}
	var l []kube.Taint
	for _, t := range taints {
		l = append(l, kube.Taint(t))
	}
	if err := c.TaintNode(ctx, n.Name, l); err != nil {
		return drivers.Transient(fmt.Errorf("tainting %s: %w", n.Name, err))
	}
	return drivers.Done()
}

// renewToken lets new hosts join: the token of the cluster's first day has run out.
func (w *work) renewToken(ctx context.Context) drivers.Result {
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	b, err := w.secret(ctx, ops.SecretJoinToken)
	if err != nil {
		return drivers.Transient(err)
	}
	id, secret, _ := strings.Cut(string(b.Passphrase), ".")
	manifest := fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata:
  name: bootstrap-token-%s
  namespace: kube-system
type: bootstrap.kubernetes.io/token
stringData:
  token-id: %q
  token-secret: %q
  expiration: %q
  usage-bootstrap-authentication: "true"
  auth-extra-groups: system:bootstrappers:kubeadm:default-node-token
`, id, id, secret, w.e.Now().Add(tokenTTL).UTC().Format(time.RFC3339))
	if err := c.Apply(ctx, []byte(manifest), "jeroboam"); err != nil {
		return drivers.Transient(fmt.Errorf("renewing the join token: %w", err))
	}
	return drivers.Done()
}
