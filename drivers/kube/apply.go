package kube

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

// Apply makes the objects of a stream of YAML documents so, by server-side apply: fields that an earlier call of the same
// fieldManager set and that are gone from the manifests are given up. Namespaces and definitions go first. All documents
// are read before the first is applied; one that the cluster refuses does not keep the others from being applied. A kind
// that the cluster does not know yet is such a refusal: call again once its definition is established.
func (c *Client) Apply(ctx context.Context, manifestsYAML []byte, fieldManager string) error {
	objects, err := readManifests(manifestsYAML)
	if err != nil {
		return fmt.Errorf("read manifests: %w", err)
	}
	return c.ApplyObjects(ctx, objects, fieldManager)
}

// ApplyObjects is Apply for objects.
func (c *Client) ApplyObjects(ctx context.Context, objects []*unstructured.Unstructured, fieldManager string) error {
	objects = slices.Clone(objects)
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
	var errs []error
	for _, object := range objects {
		err := c.apply(ctx, object, fieldManager)
		errs = append(errs, err)
		if errors.Is(err, ErrUnreachable) || errors.Is(err, ErrUnauthorized) || ctx.Err() != nil {
			break // the rest would only fail, each after its time
		}
	}
	return errors.Join(errs...)
}

func (c *Client) apply(ctx context.Context, object *unstructured.Unstructured, fieldManager string) error {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	what := fmt.Sprintf("apply %s %s", object.GetKind(), object.GetName())
	mapping, err := c.mapping(ctx, object)
	if err != nil {
		return wrap(ctx, err, "%s", what)
	}
	resource := c.resource(mapping, object)
	_, err = resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if apierrors.IsInvalid(err) && object.GetKind() == "StorageClass" {
		// Most of a class cannot be changed. It is only read when a volume is made, so another one may take its place.
		if err = resource.Delete(ctx, object.GetName(), metav1.DeleteOptions{}); err == nil || apierrors.IsNotFound(err) {
			_, err = resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
		}
	}
	return wrap(ctx, err, "%s", what)
}

// resource is where an object is.
func (c *Client) resource(mapping *meta.RESTMapping, object *unstructured.Unstructured) dynamic.ResourceInterface {
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return c.dynamic.Resource(mapping.Resource)
	}
	namespace := object.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return c.dynamic.Resource(mapping.Resource).Namespace(namespace)
}

// mapping finds the resource of an object. What the cluster offers is asked once, and again when a kind is not known: its
// definition may be new.
func (c *Client) mapping(ctx context.Context, object *unstructured.Unstructured) (*meta.RESTMapping, error) {
	kind := object.GroupVersionKind()
	mapping, err := c.mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		c.mapper.ResetWithContext(ctx)
		mapping, err = c.mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
	}
	return mapping, err
}

func readManifests(manifestsYAML []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifestsYAML)))
	for i := 1; ; i++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
		}
		object := map[string]any{}
		if err := yaml.UnmarshalStrict(document, &object); err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
		}
		if len(object) == 0 {
			continue // comments only
		}
		found, err := expand(&unstructured.Unstructured{Object: object})
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// expand takes a list apart, and checks that an object says what it is.
func expand(object *unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	if object.GetAPIVersion() == "" || object.GetKind() == "" {
		return nil, errors.New("apiVersion or kind is missing")
	}
	if !object.IsList() {
		if object.GetName() == "" {
			return nil, fmt.Errorf("%s without a name", object.GetKind())
		}
		return []*unstructured.Unstructured{object}, nil
	}
	var out []*unstructured.Unstructured
	err := object.EachListItem(func(item runtime.Object) error {
		found, err := expand(item.(*unstructured.Unstructured))
		out = append(out, found...)
		return err
	})
	return out, err
}

// rank is the order in which objects need each other.
func rank(object *unstructured.Unstructured) int {
	switch object.GroupVersionKind().GroupKind().String() {
	case "Namespace":
		return 0
	case "CustomResourceDefinition.apiextensions.k8s.io":
		return 1
	}
	return 2
}
