package kube

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func serviceResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "services"}
}

// DeleteLoadBalancers asks for the end of every Service of type LoadBalancer, and returns those that were there, each with
// what it waits for ("shop/web: service.kubernetes.io/load-balancer-cleanup"): the cloud controller manager keeps them until
// their load balancers are gone. Nothing returned means that there is none.
func (c *Client) DeleteLoadBalancers(ctx context.Context) ([]string, error) {
	var left []string
	err := c.each(ctx, serviceResource(), "", func(u *unstructured.Unstructured) error {
		if kind, _, _ := unstructured.NestedString(u.Object, "spec", "type"); kind != string(corev1.ServiceTypeLoadBalancer) {
			return nil
		}
		name := u.GetNamespace() + "/" + u.GetName()
		if waits := u.GetFinalizers(); len(waits) > 0 {
			left = append(left, fmt.Sprintf("%s: %s", name, strings.Join(waits, ", ")))
		} else {
			left = append(left, name)
		}
		if u.GetDeletionTimestamp() != nil {
			return nil
		}
		return c.deleteService(ctx, u)
	})
	return left, err
}

// deleteService deletes exactly the one that was seen.
func (c *Client) deleteService(ctx context.Context, u *unstructured.Unstructured) error {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	uid := u.GetUID()
	err := c.dynamic.Resource(serviceResource()).Namespace(u.GetNamespace()).Delete(ctx, u.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // gone, or another one of that name: the next look tells
		return nil
	}
	return wrap(ctx, err, "delete service %s/%s", u.GetNamespace(), u.GetName())
}
