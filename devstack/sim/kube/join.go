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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// askToJoin is one attempt. The endpoint is believed if the CA in its chain is one of the pinned ones and its own
// certificate is good for the address that was dialled.
func (n *Node) askToJoin(ctx context.Context, p *plan) (*cluster, error) {
	join := p.config.join
	token := join.Discovery.BootstrapToken
	host, _, err := net.SplitHostPort(token.APIServerEndpoint)
	if err != nil {
		return nil, fmt.Errorf("read the endpoint of discovery: %w", err)
	}
	config := &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection does it, with the CA that is pinned
		VerifyConnection: func(state tls.ConnectionState) error {
			return n.verifyPinned(state, host, token)
		},
	}
	request := joinRequest{HostID: n.host.ID, NodeName: p.registration.name, Minor: p.minor, ControlPlane: join.ControlPlane != nil}
	if p.authorities != nil {
		request.Fingerprints = p.authorities.fingerprints
	}
	var answer joinResponse
	err = n.request(ctx, token.APIServerEndpoint, config, func(client *http.Client) error {
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

func (n *Node) verifyPinned(state tls.ConnectionState, host string, token *tokenDiscovery) error {
	chain := state.PeerCertificates
	if len(chain) < 2 || !chain[len(chain)-1].IsCA {
		return errors.New("couldn't validate the identity of the API Server: it shows no CA")
	}
	ca := chain[len(chain)-1]
	pinned := slices.ContainsFunc(token.CACertHashes, func(hash string) bool { return strings.EqualFold(hash, pin(ca)) })
	if !pinned && !token.UnsafeSkipCAVerification {
		return fmt.Errorf("couldn't validate the identity of the API Server: cluster CA found in cluster-info ConfigMap is invalid: none of the public keys %q are pinned", pin(ca))
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err := chain[0].Verify(x509.VerifyOptions{
		DNSName: host, Roots: roots, CurrentTime: n.clock.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
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
