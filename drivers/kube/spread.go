package kube

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/klog/v2"
)

// Spread has one of the pods that these labels select leave its node when all of them are on the same one and another node
// could take it; the scheduler finds its place, by the affinity that the pods have set. What is spread already, or cannot be,
// is left alone, and so is what a disruption budget holds.
func (c *Client) Spread(ctx context.Context, namespace, selector string) error {
	var pods []*corev1.Pod
	err := c.eachOf(ctx, podResource(), metav1.ListOptions{Limit: pageSize, LabelSelector: selector}, func(u *unstructured.Unstructured) error {
		pod, err := typed[corev1.Pod](u)
		if err == nil && pod.Namespace == namespace && pod.DeletionTimestamp == nil && moves(pod) {
			pods = append(pods, pod)
		}
		return err
	})
	if err != nil || len(pods) < 2 || pods[0].Spec.NodeName == "" {
		return err
	}
	for _, pod := range pods[1:] {
		if pod.Spec.NodeName != pods[0].Spec.NodeName {
			return nil
		}
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.Name != pods[0].Spec.NodeName && takes(n, pods[0]) {
			_, err := c.evict(ctx, leastUseful(pods), DrainOptions{})
			return err
		}
	}
	return nil
}

// takes tells whether a pod could go to a node, as far as that is the node's to say.
func takes(n Node, pod *corev1.Pod) bool {
	if !n.Ready || n.Unschedulable {
		return false
	}
	for _, taint := range n.Taints {
		t := corev1.Taint{Key: taint.Key, Value: taint.Value, Effect: corev1.TaintEffect(taint.Effect)}
		if t.Effect != corev1.TaintEffectPreferNoSchedule && !tolerated(pod, &t) {
			return false
		}
	}
	return true
}

func tolerated(pod *corev1.Pod, taint *corev1.Taint) bool {
	return slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool {
		return t.ToleratesTaint(klog.Background(), taint, true)
	})
}

// leastUseful is a pod that is not ready, if there is one: no budget keeps it.
func leastUseful(pods []*corev1.Pod) *corev1.Pod {
	for _, pod := range pods {
		ready := false
		for _, condition := range pod.Status.Conditions {
			ready = ready || condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
		}
		if !ready {
			return pod
		}
	}
	return pods[0]
}
