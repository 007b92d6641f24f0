package addons

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Labels of all objects of add-ons: what carries both and is wanted no more is deleted.
const (
	ManagedLabel = "app.kubernetes.io/managed-by"
	ManagedBy    = "jeroboam"
	Label        = "jeroboam.cloud/addon" // its value is the add-on's name
)

// dress puts our labels on objects, and the cluster's registry into the images of their pods.
func (c Cluster) dress(addon string, objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	for _, o := range objects {
		labels := o.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[ManagedLabel], labels[Label] = ManagedBy, addon
		o.SetLabels(labels)
		if c.ImagePrefix != "" {
			c.mirror(o.Object)
		}
	}
	return objects
}

// mirror has images pulled from the cluster's registry, wherever in an object pods are described.
func (c Cluster) mirror(in map[string]any) {
	for key, value := range in {
		switch v := value.(type) {
		case map[string]any:
			c.mirror(v)
		case []any:
			containers := key == "containers" || key == "initContainers"
			for _, item := range v {
				m, ok := item.(map[string]any)
				if !ok {
					continue
				}
				if image, _ := m["image"].(string); containers && image != "" {
					m["image"] = strings.TrimSuffix(c.ImagePrefix, "/") + "/" + path.Base(image)
				}
				c.mirror(m)
			}
		}
	}
}

// readManifest takes a stream of YAML documents apart, and lists in it.
func readManifest(manifest []byte) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for i := 1; ; i++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
		}
		raw, err := yaml.YAMLToJSON(document)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
		}
		if string(raw) == "null" {
			continue // comments only
		}
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(raw); err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
		}
		found, err := flatten(o)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
		}
		out = append(out, found...)
	}
}

func flatten(o *unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	if !o.IsList() {
		if o.GetName() == "" {
			return nil, fmt.Errorf("%s without a name", o.GetKind())
		}
		return []*unstructured.Unstructured{o}, nil
	}
	var out []*unstructured.Unstructured
	err := o.EachListItem(func(item runtime.Object) error {
		found, err := flatten(item.(*unstructured.Unstructured))
		out = append(out, found...)
		return err
	})
	return out, err
}
