package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// Prune deletes what carries these labels, of all kinds that the cluster has, and is not to be kept. Namespaces and
// definitions go last: what is in them goes with them. What the cluster derives from other objects, and labels like them, is
// left to it. It tells how many it has asked to go; those that are on their way are not counted.
func (c *Client) Prune(ctx context.Context, selector string, keep func(*unstructured.Unstructured) bool) (int, error) {
	resources, err := c.deletable(ctx)
	if err != nil {
		return 0, err
	}
	type doomed struct {
		resource schema.GroupVersionResource
		object   *unstructured.Unstructured
	}
	var l []doomed
	for _, resource := range resources {
		err := c.eachOf(ctx, resource, metav1.ListOptions{Limit: pageSize, LabelSelector: selector}, func(u *unstructured.Unstructured) error {
			if len(u.GetOwnerReferences()) == 0 && u.GetDeletionTimestamp() == nil && !keep(u) {
				l = append(l, doomed{resource, u})
			}
			return nil
		})
		if errors.Is(err, ErrNotFound) {
			continue // its definition is going
		}
		if err != nil {
			return 0, err
		}
	}
	slices.SortStableFunc(l, func(a, b doomed) int { return rank(b.object) - rank(a.object) })
	for i, d := range l {
		if err := c.deleteSeen(ctx, d.resource, d.object); err != nil {
			return i, err
		}
	}
	return len(l), nil
}

// deletable lists the kinds of objects that can be listed and deleted. Where a server behind the API is away its kinds are
// missing: they are none of ours.
func (c *Client) deletable(ctx context.Context) ([]schema.GroupVersionResource, error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	lists, err := discovery.ServerPreferredResourcesWithContext(ctx, c.discovery)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, wrap(ctx, err, "list what kinds of objects there are")
	}
	lists = discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, lists)
	var out []schema.GroupVersionResource
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("read the kinds of %s: %w", list.GroupVersion, err)
		}
		for _, r := range list.APIResources {
			if r.Kind != "Endpoints" && r.Kind != "Event" { // which have no owner, and their Service's labels
				out = append(out, version.WithResource(r.Name))
			}
		}
	}
	return out, nil
}

// deleteSeen deletes exactly the object that was seen.
func (c *Client) deleteSeen(ctx context.Context, resource schema.GroupVersionResource, u *unstructured.Unstructured) error {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	uid, background := u.GetUID(), metav1.DeletePropagationBackground
	err := c.dynamic.Resource(resource).Namespace(u.GetNamespace()).Delete(ctx, u.GetName(),
		metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &background})
	if err = wrap(ctx, err, "delete %s %s", u.GetKind(), u.GetName()); errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
