package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
)

// SetClusterInfoCA makes these the authorities that joining hosts are told of. The control plane signs what is written
// there by itself. It fails with a conflict (Transient) when somebody else changed it at the same time.
func (c *Client) SetClusterInfoCA(ctx context.Context, ca []byte) error {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	const name, key = "cluster-info", "kubeconfig"
	maps := c.dynamic.Resource(configMapResource()).Namespace(metav1.NamespacePublic)
	u, err := maps.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return wrap(ctx, err, "read cluster-info")
	}
	text, found, err := unstructured.NestedString(u.Object, "data", key)
	if err != nil || !found {
		return errors.Join(errors.New("cluster-info has no "+key), err)
	}
	config, err := clientcmd.Load([]byte(text))
	if err != nil {
		return fmt.Errorf("read cluster-info: %w", err)
	}
	same := true
	for _, cluster := range config.Clusters {
		same = same && bytes.Equal(cluster.CertificateAuthorityData, ca)
		cluster.CertificateAuthorityData = ca
	}
	if same {
		return nil
	}
	changed, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encode cluster-info: %w", err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": u.GetResourceVersion()}, "data": map[string]any{key: string(changed)}})
	if err != nil {
		return fmt.Errorf("encode cluster-info: %w", err)
	}
	_, err = maps.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: userAgent})
	return wrap(ctx, err, "change cluster-info")
}

// PodsTrust tells whether the pods of the cluster's own namespace are given these authorities: the controller manager hands
// to all namespaces what it has read when it started.
func (c *Client) PodsTrust(ctx context.Context, ca []byte) (bool, error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	u, err := c.dynamic.Resource(configMapResource()).Namespace(metav1.NamespaceSystem).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
	if err != nil {
		return false, wrap(ctx, err, "read the authorities of pods")
	}
	text, _, _ := unstructured.NestedString(u.Object, "data", "ca.crt")
	return bytes.Equal(bytes.TrimSpace([]byte(text)), bytes.TrimSpace(ca)), nil
}

// ComponentsRestarted tells what is waited for until components of a control plane run that were restarted with one of the marks;
// "" when they do, and say that they are ready.
func (c *Client) ComponentsRestarted(ctx context.Context, node string, marks, components []string) (waiting string, err error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	for _, name := range components {
		u, err := c.dynamic.Resource(podResource()).Namespace(metav1.NamespaceSystem).Get(ctx, name+"-"+node, metav1.GetOptions{})
		if err != nil {
			err = wrap(ctx, err, "look at %s of %s", name, node)
		}
		switch {
		case errors.Is(err, ErrNotFound):
			return name + " of " + node + " to be started again", nil
		case err != nil:
			return "", err
		}
		pod, err := typed[corev1.Pod](u)
		if err != nil {
			return "", err
		}
		if !slices.Contains(marks, pod.Labels[RestartedLabel]) {
			return name + " of " + node + " to be started again", nil
		}
		if !podReady(pod) {
			return name + " of " + node + " to be ready", nil
		}
	}
	return "", nil
}

func podReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// RestartWorkloads has the cluster's own workloads make their pods anew, once per mark, and names those that are not done.
func (c *Client) RestartWorkloads(ctx context.Context, mark string) (remaining []string, err error) {
	for _, kind := range []string{"daemonsets", "deployments"} {
		list, err := c.workloads(ctx, kind)
		if err != nil {
			return nil, err
		}
		for i := range list {
			left, err := c.restartWorkload(ctx, kind, &list[i], mark)
			if err != nil {
				return nil, err
			}
			if left {
				remaining = append(remaining, kind+"/"+list[i].GetName())
			}
		}
	}
	return remaining, nil
}

func workloadResource(kind string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: kind}
}

func (c *Client) workloads(ctx context.Context, kind string) ([]unstructured.Unstructured, error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	list, err := c.dynamic.Resource(workloadResource(kind)).Namespace(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, wrap(ctx, err, "list %s", kind)
	}
	return list.Items, nil
}

// restartWorkload marks the template of its pods, which makes them anew, and tells whether some are still of before.
func (c *Client) restartWorkload(ctx context.Context, kind string, u *unstructured.Unstructured, mark string) (bool, error) {
	if have, _, _ := unstructured.NestedString(u.Object, "spec", "template", "metadata", "annotations", RestartedLabel); have == mark {
		return !rolledOut(kind, u), nil
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{RestartedLabel: mark}}}}})
	if err != nil {
		return false, fmt.Errorf("restart %s: %w", u.GetName(), err)
	}
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	_, err = c.dynamic.Resource(workloadResource(kind)).Namespace(metav1.NamespaceSystem).Patch(ctx, u.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: userAgent})
	return true, wrap(ctx, err, "restart %s", u.GetName())
}

func rolledOut(kind string, u *unstructured.Unstructured) bool {
	if kind == "daemonsets" {
		d, err := typed[appsv1.DaemonSet](u)
		return err == nil && d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedNumberScheduled >= d.Status.DesiredNumberScheduled && d.Status.NumberUnavailable == 0
	}
	d, err := typed[appsv1.Deployment](u)
	return err == nil && d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas >= d.Status.Replicas && d.Status.UnavailableReplicas == 0
}
