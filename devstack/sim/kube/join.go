package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// joinPath is where simulated hosts ask to join. A real kubeadm and kubelet have a longer conversation, with the same
// secrets in it: the pin of the CA, and the token.
const joinPath = "/simulator/join"

type joinRequest struct {
	HostID       string            `json:"hostID"`
	NodeName     string            `json:"nodeName"`
	Minor        int               `json:"minor"`
	ControlPlane bool              `json:"controlPlane"`
	Fingerprints map[string]string `json:"fingerprints,omitempty"`
}

type joinResponse struct {
	Invitation string `json:"invitation"`
}

// join is kubeadm join.
func (n *Node) join(ctx context.Context, p *plan) error {
	n.become(StateJoining)
	var c *cluster
	err := n.retry(ctx, "kubeadm join: error execution phase preflight", discoveryTimeout, p.retries, func(ctx context.Context) error {
		found, err := n.askToJoin(ctx, p)
		c = found
		return err
	})
	if err != nil {
		return err
	}
	latency := joinWorkerLatency
	if p.config.join.ControlPlane != nil {
		latency = joinControlPlaneLatency
		if err := n.joinEtcd(ctx, p, func() error { return c.addMember(n.host.ID, n.host.FixedIPs[0]) }); err != nil {
			return err
		}
	}
	n.say("[kubelet-start] Starting the kubelet")
	if err := n.clock.Sleep(ctx, latency); err != nil {
		return err
	}
	m, err := n.settle(c, p)
	if err != nil {
		return err
	}
	if m.isControlPlane() {
		if err := n.joinEtcd(ctx, p, func() error { return c.promoteMember(n.host.ID) }); err != nil {
			return err
		}
	}
	n.say("This node has joined the cluster")
	return n.runKubelet(ctx, m)
}

// joinEtcd is a step of kubeadm's in which etcd gets another member.
func (n *Node) joinEtcd(ctx context.Context, p *plan, step func() error) error {
	what := "kubeadm join: error execution phase etcd-join: error creating local etcd static pod manifest file"
	return n.retry(ctx, what, etcdJoinTimeout, p.retries, func(context.Context) error { return step() })
}

// askToJoin is one attempt. What cluster-info says is believed if one of its authorities is pinned, and the endpoint if one
// of them has signed its certificate for the address that was dialled; the token is shown only then.
func (n *Node) askToJoin(ctx context.Context, p *plan) (*cluster, error) {
	join := p.config.join
	token := join.Discovery.BootstrapToken
	host, _, err := net.SplitHostPort(token.APIServerEndpoint)
	if err != nil {
		return nil, fmt.Errorf("read the endpoint of discovery: %w", err)
	}
	request := joinRequest{HostID: n.host.ID, NodeName: p.registration.name, Minor: p.minor, ControlPlane: join.ControlPlane != nil}
	if p.authorities != nil {
		request.Fingerprints = p.authorities.fingerprints
	}
	var answer joinResponse
	config := &tls.Config{InsecureSkipVerify: true} // discover verifies, once it knows by what
	err = n.request(ctx, token.APIServerEndpoint, config, func(client *http.Client) error {
		if err := n.discover(ctx, client, host, token); err != nil {
			return err
		}
		return postJoin(ctx, client, "https://"+token.APIServerEndpoint+joinPath, join.Discovery.TLSBootstrapToken, request, &answer)
	})
	if err != nil {
		return nil, err
	}
	c, there := n.fabric.memory().accept(answer.Invitation)
	if !there {
		return nil, errors.New("the cluster that answered is on another fabric")
	}
	return c, nil
}

// discover reads cluster-info, and verifies the connection that the client keeps by it.
func (n *Node) discover(ctx context.Context, client *http.Client, host string, token *tokenDiscovery) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+token.APIServerEndpoint+"/api/v1/namespaces/kube-public/configmaps/cluster-info", nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var info corev1.ConfigMap
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("couldn't validate the identity of the API Server: cluster-info: %s", response.Status)
	}
	config, err := clientcmd.Load([]byte(info.Data["kubeconfig"]))
	if err != nil {
		return fmt.Errorf("couldn't validate the identity of the API Server: cluster-info: %w", err)
	}
	var cas []*x509.Certificate
	for _, cluster := range config.Clusters {
		if cas, err = parseCertificates(cluster.CertificateAuthorityData, "cluster-info"); err != nil {
			return err
		}
	}
	pinned := slices.ContainsFunc(cas, func(ca *x509.Certificate) bool {
		return slices.ContainsFunc(token.CACertHashes, func(hash string) bool { return strings.EqualFold(hash, pin(ca)) })
	})
	if !pinned && !token.UnsafeSkipCAVerification {
		return fmt.Errorf("couldn't validate the identity of the API Server: cluster CA found in cluster-info ConfigMap is invalid: none of the public keys %q are pinned", pins(cas))
	}
	roots := x509.NewCertPool()
	for _, ca := range cas {
		roots.AddCert(ca)
	}
	_, err = response.TLS.PeerCertificates[0].Verify(x509.VerifyOptions{
		DNSName: host, Roots: roots, CurrentTime: n.clock.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

func pins(cas []*x509.Certificate) string {
	list := make([]string, 0, len(cas))
	for _, ca := range cas {
		list = append(list, pin(ca))
	}
	return strings.Join(list, ", ")
}

func postJoin(ctx context.Context, client *http.Client, url, token string, body joinRequest, into *joinResponse) error {
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return json.NewDecoder(response.Body).Decode(into)
	}
	var status metav1.Status
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil || status.Message == "" {
		return fmt.Errorf("the API server answers %s", response.Status)
	}
	return errors.New(status.Message)
}
