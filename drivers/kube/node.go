package kube

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Taint keeps pods off a node that do not tolerate it.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// Node is a node as its cluster sees it.
type Node struct {
	Name          string
	Ready         bool
	Reason        string // why it is not ready
	Silent        bool   // its kubelet does not report
	Version       string // of its kubelet, as "v1.37.2"
	Architecture  string // of its host, as "amd64"
	ProviderID    string
	SystemUUID    string // in lower case: Nova's id of the server, on most hypervisors
	InternalIPs   []string
	PodCIDR       string // of its pods; "": none was given to it yet
	Labels        map[string]string
	Taints        []Taint
	Unschedulable bool
	Conditions    []Condition
}

// Condition is one of a node's: what its kubelet says of readiness and of pressure, or the control plane of its silence.
type Condition struct {
	Type, Status, Reason, Message string
}

// Nodes lists all nodes.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	var nodes []Node
	err := c.each(ctx, nodeResource(), "", func(u *unstructured.Unstructured) error {
		n, err := typed[corev1.Node](u)
		if err == nil {
			nodes = append(nodes, convert(n))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return nodes, nil
}

func convert(n *corev1.Node) Node {
	out := Node{
		Name: n.Name, Labels: n.Labels, Version: brief(n.Status.NodeInfo.KubeletVersion), Architecture: n.Status.NodeInfo.Architecture, ProviderID: n.Spec.ProviderID,
		SystemUUID: strings.ToLower(n.Status.NodeInfo.SystemUUID), PodCIDR: n.Spec.PodCIDR, Taints: taintsOf(n), Unschedulable: n.Spec.Unschedulable,
		Reason: "the kubelet has not reported yet",
	}
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			out.InternalIPs = append(out.InternalIPs, a.Address)
		}
	}
	for _, condition := range n.Status.Conditions {
		if len(out.Conditions) < maxConditions {
			out.Conditions = append(out.Conditions, Condition{brief(string(condition.Type)), brief(string(condition.Status)), brief(condition.Reason), brief(condition.Message)})
		}
		if condition.Type != corev1.NodeReady {
			continue
		}
		out.Silent = condition.Status == corev1.ConditionUnknown
		if out.Ready = condition.Status == corev1.ConditionTrue; out.Ready {
			out.Reason = ""
		} else {
			out.Reason = strings.TrimSuffix(brief(condition.Reason)+": "+brief(condition.Message), ": ")
		}
	}
	return out
}

// What a node says of itself ends up in rows and events, and whoever is root on its host writes it.
const (
	maxConditions = 50
	maxWords      = 250
)

func brief(words string) string {
	words = strings.ReplaceAll(words, "\x00", "")
	if len(words) > maxWords {
		words = strings.ToValidUTF8(words[:maxWords], "") + "…"
	}
	return words
}

func taintsOf(n *corev1.Node) []Taint {
	var out []Taint
	for _, t := range n.Spec.Taints {
		out = append(out, Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	return out
}

// node reads one node, with the object as the API sent it.
func (c *Client) node(ctx context.Context, name string) (*corev1.Node, error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	u, err := c.dynamic.Resource(nodeResource()).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, wrap(ctx, err, "read node %s", name)
	}
	return typed[corev1.Node](u)
}

func (c *Client) patchNode(ctx context.Context, name string, kind types.PatchType, patch []byte, o metav1.PatchOptions) error {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	_, err := c.dynamic.Resource(nodeResource()).Patch(ctx, name, kind, patch, o)
	return wrap(ctx, err, "change node %s", name)
}

// DeleteNode removes a node from the cluster; one that is not there is no error. It does not touch the host.
func (c *Client) DeleteNode(ctx context.Context, name string) error {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	err := c.dynamic.Resource(nodeResource()).Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return wrap(ctx, err, "delete node %s", name)
}

// ForgetStaticPods takes away what the API shows of control planes whose nodes are gone. The cluster does so by itself, up to
// a minute later; until then kubeadm takes their hosts for control planes.
func (c *Client) ForgetStaticPods(ctx context.Context) error {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, n := range nodes {
		there[n.Name] = true
	}
	return c.eachOf(ctx, podResource(), metav1.ListOptions{Limit: pageSize, LabelSelector: "tier=control-plane"}, func(u *unstructured.Unstructured) error {
		pod, err := typed[corev1.Pod](u)
		if _, mirror := u.GetAnnotations()[corev1.MirrorPodAnnotationKey]; err != nil || !mirror || there[pod.Spec.NodeName] {
			return err
		}
		ctx, cancel := c.quiet(ctx)
		defer cancel()
		now := int64(0) // nobody is left who could confirm its end
		err = c.dynamic.Resource(podResource()).Namespace(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return wrap(ctx, err, "delete pod %s of node %s, which is gone", pod.Name, pod.Spec.NodeName)
	})
}
