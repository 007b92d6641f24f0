package kube

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// register makes the Node of a host, or renews that of a host which is back.
func (c *cluster) register(r *registration, host Host, version string) error {
	if err := c.available(); err != nil {
		return err
	}
	node := r.object(host)
	node.Status.NodeInfo.KubeletVersion = version
	c.setConditions(node, corev1.ConditionFalse, "KubeletNotReady", "container runtime network not ready: cni plugin not initialized")
	k := c.schema.kind("Node")
	return c.store.do(func(t *transaction) error {
		before, there := t.get(k, "", r.name)
		if there {
			old, err := toNode(before)
			if err != nil {
				return err
			}
			old.Status = node.Status
			node = old
		}
		if c.manages(t) {
			initialize(node)
		}
		c.allocate(t, node)
		return c.putNode(t, before, node)
	})
}

// podBits is the length of the prefix that each node has for its pods, which is the controller manager's default for IPv4.
const podBits = 24

// allocate gives a node the first addresses for pods that no other has, as the controller manager does.
func (c *cluster) allocate(t *transaction, node *corev1.Node) {
	all, err := netip.ParsePrefix(strings.Split(c.config.Networking.PodSubnet, ",")[0])
	if node.Spec.PodCIDR != "" || err != nil || !all.Addr().Is4() || all.Bits() > podBits {
		return
	}
	taken := map[string]bool{}
	for _, o := range t.list(c.schema.kind("Node"), "") {
		if other, err := toNode(o); err == nil {
			taken[other.Spec.PodCIDR] = true
		}
	}
	for a := all.Masked().Addr(); all.Contains(a); {
		if cidr := netip.PrefixFrom(a, podBits).String(); !taken[cidr] {
			node.Spec.PodCIDR, node.Spec.PodCIDRs = cidr, []string{cidr}
			return
		}
		next := a.As4()
		for i := podBits/8 - 1; i >= 0; i-- {
			if next[i]++; next[i] != 0 {
				break
			}
		}
		a = netip.AddrFrom4(next)
	}
}

// markReady makes a node Ready. Without a Node object there is nothing to do: a kubelet registers when it starts, and not
// again when somebody has deleted its Node.
func (c *cluster) markReady(name, version string) error {
	if err := c.available(); err != nil {
		return err
	}
	return c.changeNode(name, func(node *corev1.Node) {
		node.Status.NodeInfo.KubeletVersion = version
		c.setConditions(node, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status")
	})
}

// markSilent is what the node controller does about a kubelet that is not heard of, unless that has just come back.
func (c *cluster) markSilent(ctx context.Context, name string) {
	// an error would be that of an object which cannot be decoded: only the node's own kubelet can mend that
	_ = c.changeNode(name, func(node *corev1.Node) {
		if ctx.Err() == nil {
			c.setConditions(node, corev1.ConditionUnknown, "NodeStatusUnknown", "Kubelet stopped posting node status.")
		}
	})
}

func (c *cluster) changeNode(name string, change func(*corev1.Node)) error {
	return c.store.do(func(t *transaction) error {
		before, there := t.get(c.schema.kind("Node"), "", name)
		if !there {
			return nil
		}
		node, err := toNode(before)
		if err != nil {
			return err
		}
		change(node)
		return c.putNode(t, before, node)
	})
}

func (c *cluster) putNode(t *transaction, before object, node *corev1.Node) error {
	k := c.schema.kind("Node")
	after, err := toUnstructured(node, k)
	if err != nil {
		return err
	}
	t.put(k, before, after)
	return nil
}

// setConditions sets all conditions of a node; those beside Ready are Unknown with it and False else.
func (c *cluster) setConditions(node *corev1.Node, ready corev1.ConditionStatus, reason, message string) {
	now := metav1.NewTime(c.clock.Now()).Rfc3339Copy()
	set := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) {
		condition := corev1.NodeCondition{Type: kind, Status: status, LastHeartbeatTime: now, LastTransitionTime: now, Reason: reason, Message: message}
		i := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == kind })
		if i < 0 {
			node.Status.Conditions = append(node.Status.Conditions, condition)
			return
		}
		if old := node.Status.Conditions[i]; old.Status == status {
			condition.LastTransitionTime = old.LastTransitionTime
		}
		node.Status.Conditions[i] = condition
	}
	for _, pressure := range []corev1.NodeConditionType{corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure} {
		if ready == corev1.ConditionUnknown {
			set(pressure, ready, reason, message)
		} else {
			set(pressure, corev1.ConditionFalse, "KubeletHasNo"+string(pressure), "kubelet has no "+string(pressure))
		}
	}
	set(corev1.NodeReady, ready, reason, message)
}

// node returns a node as it is now.
func (c *cluster) node(name string) (*corev1.Node, bool) {
	var found *corev1.Node
	_ = c.store.do(func(t *transaction) error {
		if o, there := t.get(c.schema.kind("Node"), "", name); there {
			node, err := toNode(o)
			found = node
			return err
		}
		return nil
	})
	return found, found != nil
}

func toNode(o object) (*corev1.Node, error) {
	var node corev1.Node
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &node); err != nil {
		return nil, fmt.Errorf("decode node %q: %w", o.GetName(), err)
	}
	return &node, nil
}

func nodeIsReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// nodeHost returns the id of the host that a node is on.
func nodeHost(node *corev1.Node) string { return node.Status.NodeInfo.SystemUUID }
