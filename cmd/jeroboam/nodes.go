package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// listNodes asks the cluster itself, over TLS that the CA in the kubeconfig vouches for.
func listNodes(ctx context.Context, kubeconfig []byte) (nodes []corev1.Node, endpoint string, err error) {
	cfg, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	cfg.Timeout = 30 * time.Second
	c, err := typed.NewForConfig(cfg)
	if err != nil {
		return nil, "", fmt.Errorf("making a client of the cluster: %w", err)
	}
	l, err := c.Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, "", fmt.Errorf("listing the nodes at %s: %w", cfg.Host, err)
	}
	return l.Items, cfg.Host, nil
}

// printNodes prints what kubectl get nodes does, with the address.
func printNodes(w io.Writer, nodes []corev1.Node, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "NAME\tSTATUS\tROLES\tAGE\tVERSION\tINTERNAL-IP")
	for i := range nodes {
		n := &nodes[i]
		status := "NotReady"
		if isReady(n) {
			status = "Ready"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", n.Name, status, roles(n), duration.HumanDuration(now.Sub(n.CreationTimestamp.Time)),
			n.Status.NodeInfo.KubeletVersion, address(n))
	}
	_ = t.Flush()
}

func isReady(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

const roleLabel = "node-role.kubernetes.io/"

func roles(n *corev1.Node) string {
	var out []string
	for _, l := range slices.Sorted(maps.Keys(n.Labels)) {
		if role, is := strings.CutPrefix(l, roleLabel); is {
			out = append(out, role)
		}
	}
	if len(out) == 0 {
		return "<none>"
	}
	return strings.Join(out, ",")
}

func address(n *corev1.Node) string {
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return a.Address
		}
	}
	return "<none>"
}

// expectNodes fails unless all nodes that were asked for are there and ready.
func expectNodes(nodes []corev1.Node) error {
	control, ready := 0, 0
	for i := range nodes {
		if strings.Contains(roles(&nodes[i]), "control-plane") {
			control++
		}
		if isReady(&nodes[i]) {
			ready++
		}
	}
	if len(nodes) != masters+workers || control != masters || ready != len(nodes) {
		return fmt.Errorf("%d nodes, %d of them control planes, %d ready; asked for were %d control planes and %d workers", len(nodes), control, ready, masters, workers)
	}
	return nil
}

func printLeft(w io.Writer, left map[string][]string) {
	for _, kind := range slices.Sorted(maps.Keys(left)) {
		for _, what := range left[kind] {
			fmt.Fprintf(w, "  %s %s\n", kind, what)
		}
	}
}
