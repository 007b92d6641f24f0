package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// RuntimeClass is a way of running pods that some nodes have, and no others: pods of the class go to nodes with that label
// and taint.
type RuntimeClass struct {
	Name, Handler string
	// Overhead of each pod, beside its containers: "cpu" and "memory" in Kubernetes' notation.
	Overhead map[string]string
	Label    [2]string // key and value
	Taint    Taint
}

// ErrTaken says that an object of this name is there that is somebody else's, and does not do.
var ErrTaken = errors.New("somebody else's object has the name")

// Objects of ours that are looked for without knowing their names carry this label.
const managedLabel, managedBy = "app.kubernetes.io/managed-by", "jeroboam"

func runtimeClassResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "node.k8s.io", Version: "v1", Resource: "runtimeclasses"}
}

// SetRuntimeClasses makes these the cluster's runtime classes of ours: they are applied, and ours beside them go. One of a
// user's that has the name and the handler is taken for what was wanted and left as it is; with another handler: ErrTaken.
func (c *Client) SetRuntimeClasses(ctx context.Context, classes []RuntimeClass) error {
	there, err := c.runtimeClasses(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, class := range classes {
		if live, found := there[class.Name]; found && live.Labels[managedLabel] != managedBy {
			if live.Handler != class.Handler {
				errs = append(errs, fmt.Errorf("RuntimeClass %s has handler %q instead of %q: %w", class.Name, live.Handler, class.Handler, ErrTaken))
			}
			continue
		}
		errs = append(errs, c.applyRuntimeClass(ctx, class))
	}
	for name, live := range there {
		if live.Labels[managedLabel] == managedBy && !slices.ContainsFunc(classes, func(class RuntimeClass) bool { return class.Name == name }) {
			errs = append(errs, c.deleteRuntimeClass(ctx, live))
		}
	}
	return errors.Join(errs...)
}

func (c *Client) runtimeClasses(ctx context.Context) (map[string]*nodev1.RuntimeClass, error) {
	there := map[string]*nodev1.RuntimeClass{}
	err := c.each(ctx, runtimeClassResource(), "", func(u *unstructured.Unstructured) error {
		class, err := typed[nodev1.RuntimeClass](u)
		there[u.GetName()] = class
		return err
	})
	return there, err
}

func (c *Client) applyRuntimeClass(ctx context.Context, class RuntimeClass) error {
	overhead := corev1.ResourceList{}
	for name, quantity := range class.Overhead {
		q, err := resource.ParseQuantity(quantity)
		if err != nil {
			return fmt.Errorf("overhead of RuntimeClass %s: %w", class.Name, err)
		}
		overhead[corev1.ResourceName(name)] = q
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&nodev1.RuntimeClass{
		TypeMeta:   metav1.TypeMeta{APIVersion: "node.k8s.io/v1", Kind: "RuntimeClass"},
		ObjectMeta: metav1.ObjectMeta{Name: class.Name, Labels: map[string]string{managedLabel: managedBy}},
		Handler:    class.Handler,
		Overhead:   &nodev1.Overhead{PodFixed: overhead},
		Scheduling: &nodev1.Scheduling{
			NodeSelector: map[string]string{class.Label[0]: class.Label[1]},
			Tolerations: []corev1.Toleration{{Key: class.Taint.Key, Operator: corev1.TolerationOpEqual, Value: class.Taint.Value,
				Effect: corev1.TaintEffect(class.Taint.Effect)}},
		},
	})
	if err != nil {
		return fmt.Errorf("encode RuntimeClass %s: %w", class.Name, err)
	}
	unstructured.RemoveNestedField(object, "metadata", "creationTimestamp")
	return c.apply(ctx, &unstructured.Unstructured{Object: object}, userAgent)
}

// deleteRuntimeClass deletes exactly the one that was seen.
func (c *Client) deleteRuntimeClass(ctx context.Context, seen *nodev1.RuntimeClass) error {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	err := c.dynamic.Resource(runtimeClassResource()).Delete(ctx, seen.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &seen.UID}})
	if err = wrap(ctx, err, "delete RuntimeClass %s", seen.Name); errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
