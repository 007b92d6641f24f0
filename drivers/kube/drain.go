package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// parallelEvictions of one node.
const parallelEvictions = 8

// DrainOptions say how pods are asked to leave.
type DrainOptions struct {
	// GracePeriod that pods get to end; nil: what each of them has set.
	GracePeriod *time.Duration
	// DisregardBudgets deletes pods whatever their disruption budgets say: for when the time of a drain is up.
	DisregardBudgets bool
	// OverSince: pods whose time to end was over before it are not waited for. What keeps their records, a finalizer that
	// nobody takes away, is not the node's. Zero: all are.
	OverSince time.Time
}

// Cordon keeps new pods off a node. A node that is not there is no error: no pod will come to it.
func (c *Client) Cordon(ctx context.Context, node string) error {
	n, err := c.node(ctx, node)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil || n.Spec.Unschedulable {
		return err
	}
	patch := []byte(`{"spec":{"unschedulable":true}}`)
	err = c.patchNode(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: userAgent})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Drain asks every pod of a node once to leave, and returns those that are still there, each with the reason ("shop/db-0:
// terminating", "shop/db-1: held by a disruption budget: …"). Nothing remaining means that the node is drained; otherwise
// call it again later. Pods that end with the node or do not move are left out: completed ones, static ones, those of
// daemon sets. Pods without a controller are evicted as well: their host is about to go.
//
// An error means that the pass was cut short.
func (c *Client) Drain(ctx context.Context, node string, o DrainOptions) (remaining []string, err error) {
	var pods []*corev1.Pod
	err = c.each(ctx, podResource(), fields.OneTermEqualSelector("spec.nodeName", node).String(), func(u *unstructured.Unstructured) error {
		pod, err := typed[corev1.Pod](u)
		if err == nil && moves(pod) {
			pods = append(pods, pod)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("drain node %s: %w", node, err)
	}
	reasons := make([]string, len(pods))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallelEvictions)
	for i, pod := range pods {
		group.Go(func() error {
			reason, err := c.evict(groupCtx, pod, o)
			if reason != "" {
				reasons[i] = pod.Namespace + "/" + pod.Name + ": " + reason
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("drain node %s: %w", node, err)
	}
	remaining = slices.DeleteFunc(reasons, func(reason string) bool { return reason == "" })
	slices.Sort(remaining)
	return remaining, nil
}

// moves tells that a pod has to leave its node.
func moves(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return false
	}
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return false
	}
	owner := metav1.GetControllerOf(pod)
	return owner == nil || owner.Kind != "DaemonSet"
}

// evict asks one pod to leave, and returns why it is still there; "" when it is gone. Only what says nothing of this pod
// alone, like an API that is gone, is an error.
func (c *Client) evict(ctx context.Context, pod *corev1.Pod, o DrainOptions) (string, error) {
	if end := pod.DeletionTimestamp; end != nil { // with the time that it was given
		if end.Time.Before(o.OverSince) {
			return "", nil
		}
		return "terminating", nil
	}
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	err := c.remove(ctx, pod, o)
	switch {
	case err == nil:
		return "terminating", nil
	case apierrors.IsNotFound(err):
		return "", nil
	case apierrors.IsConflict(err):
		return "replaced by another pod of its name", nil
	case apierrors.IsTooManyRequests(err):
		return "held by a disruption budget: " + budget(err), nil
	}
	wrapped := wrap(ctx, err, "evict pod %s/%s", pod.Namespace, pod.Name)
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Code != http.StatusUnauthorized {
		return "cannot be evicted: " + status.Status().Message, nil
	}
	return "", wrapped
}

// remove evicts or deletes exactly this pod: a stateful one may have been made anew elsewhere under its name.
func (c *Client) remove(ctx context.Context, pod *corev1.Pod, o DrainOptions) error {
	options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))}
	if o.GracePeriod != nil {
		seconds := int64(*o.GracePeriod / time.Second)
		options.GracePeriodSeconds = &seconds
	}
	pods := c.dynamic.Resource(podResource()).Namespace(pod.Namespace)
	if o.DisregardBudgets {
		return pods.Delete(ctx, pod.Name, options)
	}
	eviction := &policyv1.Eviction{
		TypeMeta:      metav1.TypeMeta{APIVersion: "policy/v1", Kind: "Eviction"},
		ObjectMeta:    metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
		DeleteOptions: &options,
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(eviction)
	if err != nil {
		return err
	}
	_, err = pods.Create(ctx, &unstructured.Unstructured{Object: object}, metav1.CreateOptions{}, "eviction")
	return err
}

// budget is what the API says of the disruption budget, with its name and how many pods it wants.
func budget(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			if cause.Type == policyv1.DisruptionBudgetCause {
				return cause.Message
			}
		}
	}
	return err.Error()
}
