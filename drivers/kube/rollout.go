package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// NotRunning names those of the workloads among these objects whose pods do not all run as they were last applied, each
// with what keeps them, as far as the pods tell.
func (c *Client) NotRunning(ctx context.Context, objects []*unstructured.Unstructured) ([]string, error) {
	var waiting []string
	for _, object := range objects {
		kinds := map[string]string{"Deployment": "deployments", "DaemonSet": "daemonsets", "StatefulSet": "statefulsets"}
		resource := kinds[object.GetKind()]
		if resource == "" || object.GroupVersionKind().Group != appsv1.GroupName {
			continue
		}
		what, err := c.workloadWaits(ctx, resource, object)
		if err != nil {
			return nil, err
		}
		if what != "" {
			waiting = append(waiting, what)
		}
	}
	return waiting, nil
}

func (c *Client) workloadWaits(ctx context.Context, resource string, object *unstructured.Unstructured) (string, error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	namespace, name := cmp.Or(object.GetNamespace(), metav1.NamespaceDefault), object.GetKind()+" "+object.GetName()
	u, err := c.dynamic.Resource(workloadResource(resource)).Namespace(namespace).Get(ctx, object.GetName(), metav1.GetOptions{})
	switch err := wrap(ctx, err, "look at %s", name); {
	case errors.Is(err, ErrNotFound):
		return name + " is not there", nil
	case err != nil:
		return "", err
	}
	running, wanted, err := podsOf(resource, u)
	if err != nil || running >= wanted && wanted >= 0 {
		return "", err
	}
	why, err := c.troubles(ctx, u)
	if wanted < 0 {
		return name + " was not looked at yet" + why, err
	}
	return fmt.Sprintf("%s has %d of %d pods running%s", name, running, wanted, why), err
}

// podsOf a workload: those that run as it was last applied, and how many there are to be; -1 before a controller has seen it.
func podsOf(resource string, u *unstructured.Unstructured) (running, wanted int32, err error) {
	switch resource {
	case "daemonsets":
		d, err := typed[appsv1.DaemonSet](u)
		if err != nil || d.Status.ObservedGeneration < d.Generation {
			return 0, -1, err
		}
		return min(d.Status.UpdatedNumberScheduled, d.Status.NumberAvailable), d.Status.DesiredNumberScheduled, nil
	case "statefulsets":
		s, err := typed[appsv1.StatefulSet](u)
		if err != nil || s.Status.ObservedGeneration < s.Generation {
			return 0, -1, err
		}
		return min(s.Status.UpdatedReplicas, s.Status.AvailableReplicas), replicas(s.Spec.Replicas), nil
	}
	d, err := typed[appsv1.Deployment](u)
	if err != nil || d.Status.ObservedGeneration < d.Generation {
		return 0, -1, err
	}
	return min(d.Status.UpdatedReplicas, d.Status.AvailableReplicas), replicas(d.Spec.Replicas), nil
}

func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

// troubles is what pods of a workload say that keeps them; "" when they say nothing.
func (c *Client) troubles(ctx context.Context, workload *unstructured.Unstructured) (string, error) {
	chosen, _, err := unstructured.NestedStringMap(workload.Object, "spec", "selector", "matchLabels")
	if err != nil || len(chosen) == 0 {
		return "", err
	}
	selector := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: chosen})
	list, err := c.dynamic.Resource(podResource()).Namespace(workload.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: pageSize})
	if err != nil {
		return "", wrap(ctx, err, "list the pods of %s", workload.GetName())
	}
	for i := range list.Items {
		pod, err := typed[corev1.Pod](&list.Items[i])
		if err != nil {
			return "", err
		}
		if why := trouble(pod); why != "" {
			return ": pod " + pod.Name + ": " + why, nil
		}
	}
	return "", nil
}

func trouble(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return condition.Message
		}
	}
	for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if w := s.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return strings.TrimSuffix(s.Name+": "+w.Reason+": "+w.Message, ": ")
		}
	}
	return ""
}
