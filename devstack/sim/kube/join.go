package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// joinPath is where simulated hosts ask to join. A real kubeadm and kubelet have a longer conversation, with the same
// facts in it: the CA, and the token.
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

// askToJoin is one attempt. The endpoint is believed if an authority of the discovery file has signed its certificate for the
// address that was dialled; the token is shown only then, and once the cluster has made what joining hosts read.
func (n *Node) askToJoin(ctx context.Context, p *plan) (*cluster, error) {
	join := p.config.join
	server, err := url.Parse(p.discovery.server)
	if err != nil {
		return nil, fmt.Errorf("read the server of discovery: %w", err)
	}
	request := joinRequest{HostID: n.host.ID, NodeName: p.registration.name, Minor: p.minor, ControlPlane: join.ControlPlane != nil}
	if p.authorities != nil {
		request.Fingerprints = p.authorities.fingerprints
	}
	var answer joinResponse
	config := &tls.Config{ServerName: server.Hostname(), RootCAs: certPool(p.discovery.trusts), Time: n.clock.Now}
	err = n.request(ctx, server.Host, config, func(client *http.Client) error {
		if err := readClusterInfo(ctx, client, p.discovery.server); err != nil {
			return fmt.Errorf("couldn't validate the identity of the API Server: %w", err)
		}
		return postJoin(ctx, client, p.discovery.server+joinPath, join.Discovery.TLSBootstrapToken, request, &answer)
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

func readClusterInfo(ctx context.Context, client *http.Client, server string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/api/v1/namespaces/kube-public/configmaps/cluster-info", nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var info corev1.ConfigMap
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil || response.StatusCode != http.StatusOK || info.Data["kubeconfig"] == "" {
		return fmt.Errorf("cluster-info: %s", response.Status)
	}
	return nil
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
