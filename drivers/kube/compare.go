package kube

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Identity of an object, whatever version of its kind it is read or written in.
func Identity(o *unstructured.Unstructured) string {
	kind, namespace := o.GroupVersionKind().GroupKind(), o.GetNamespace()
	if namespace == metav1.NamespaceDefault {
		namespace = ""
	}
	return kind.String() + " " + namespace + "/" + o.GetName()
}

// Compare holds objects to what the cluster has with these labels of the same kinds: which are missing, and what is there
// beside them. One list of each kind is all that it asks for. Kinds that the cluster does not know are left out.
func (c *Client) Compare(ctx context.Context, selector string, wanted []*unstructured.Unstructured) (missing, surplus []*unstructured.Unstructured, err error) {
	there, known := map[string]*unstructured.Unstructured{}, map[schema.GroupKind]bool{}
	for _, o := range wanted {
		kind := o.GroupVersionKind().GroupKind()
		if _, asked := known[kind]; asked {
			continue
		}
		mapping, err := c.mapping(ctx, o)
		if err == nil {
			err = c.eachOf(ctx, mapping.Resource, metav1.ListOptions{Limit: pageSize, LabelSelector: selector}, func(u *unstructured.Unstructured) error {
				if len(u.GetOwnerReferences()) == 0 && u.GetDeletionTimestamp() == nil {
					there[Identity(u)] = u
				}
				return nil
			})
		}
		if err = wrap(ctx, err, "look for objects of kind %s", kind.Kind); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, nil, err
		}
		known[kind] = err == nil
	}
	for _, o := range wanted {
		if id := Identity(o); there[id] != nil {
			delete(there, id)
		} else if known[o.GroupVersionKind().GroupKind()] {
			missing = append(missing, o)
		}
	}
	for _, o := range there {
		surplus = append(surplus, o)
	}
	return missing, surplus, nil
}
