package kube

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// pageSize bounds the memory that one answer takes.
const pageSize = 500

func nodeResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
}

func podResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "pods"}
}

func attachmentResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "volumeattachments"}
}

// each calls visit for every object of a resource in all namespaces, page by page.
func (c *Client) each(ctx context.Context, resource schema.GroupVersionResource, selector string, visit func(*unstructured.Unstructured) error) error {
	return c.eachOf(ctx, resource, metav1.ListOptions{Limit: pageSize, FieldSelector: selector}, visit)
}

func (c *Client) eachOf(ctx context.Context, resource schema.GroupVersionResource, options metav1.ListOptions, visit func(*unstructured.Unstructured) error) error {
	ctx, cancel := c.lists(ctx)
	defer cancel()
	for {
		page, err := c.page(ctx, resource, options)
		if err != nil {
			return err
		}
		for i := range page.Items {
			if err := visit(&page.Items[i]); err != nil {
				return err
			}
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return nil
		}
	}
}

func (c *Client) page(ctx context.Context, resource schema.GroupVersionResource, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	list, err := c.dynamic.Resource(resource).List(ctx, o)
	if err != nil {
		return nil, wrap(ctx, err, "list %s", resource.Resource)
	}
	return list, nil
}

// typed converts what the API sent into one of its types.
func typed[T any](u *unstructured.Unstructured) (*T, error) {
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, out); err != nil {
		return nil, fmt.Errorf("read %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return out, nil
}

// VolumeAttachments counts the volumes that the cluster still has attached to a node.
func (c *Client) VolumeAttachments(ctx context.Context, node string) (int, error) {
	count := 0
	err := c.each(ctx, attachmentResource(), "", func(u *unstructured.Unstructured) error {
		// The API cannot select by node.
		if name, _, _ := unstructured.NestedString(u.Object, "spec", "nodeName"); name == node {
			count++
		}
		return nil
	})
	return count, err
}
