package kube_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

const manifests = `# add-ons
---
apiVersion: example.org/v1
kind: Widget
metadata: {name: w, namespace: shop}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: c}
  data: {a: "1"}
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
# nothing here
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
`

func TestApply(t *testing.T) {
	api, c := start(t)
	record := func() []string { // in their order
		api.mu.Lock()
		defer api.mu.Unlock()
		writes := api.writes
		api.writes = nil
		return writes
	}
	err := c.Apply(t.Context(), []byte(manifests), "jeroboam-addons")
	if err == nil || !strings.Contains(err.Error(), "apply Widget w") || !kube.Transient(err) {
		t.Errorf("error %v, want one of the kind that is not known yet", err)
	}
	want := []string{
		"PATCH /api/v1/namespaces/shop",
		"PATCH /apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org",
		"PATCH /api/v1/namespaces/default/configmaps/c",
	}
	if diff := cmp.Diff(want, record()); diff != "" {
		t.Errorf("writes:\n%s", diff)
	}
	api.crds = true // the definition is established
	if err := c.Apply(t.Context(), []byte(manifests), "jeroboam-addons"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(slices.Insert(want, 2, "PATCH /apis/example.org/v1/namespaces/shop/widgets/w"), record()); diff != "" {
		t.Errorf("writes:\n%s", diff)
	}
	config := api.get(t, "/api/v1/namespaces/default/configmaps/c")
	if diff := cmp.Diff(object{"a": "1"}, config["data"]); diff != "" {
		t.Error(diff)
	}
	entry := config["metadata"].(object)["managedFields"].([]any)[0].(object)
	if entry["manager"] != "jeroboam-addons" {
		t.Errorf("manager %v", entry["manager"])
	}
}

func TestApplyReadsAllFirst(t *testing.T) {
	tests := []struct{ name, text string }{
		{"no YAML", "a: [\n"},
		{"no kind", "apiVersion: v1\nmetadata: {name: x}\n"},
		{"no name", "apiVersion: v1\nkind: ConfigMap\n"},
		{"a key twice", "apiVersion: v1\nkind: ConfigMap\nkind: Secret\nmetadata: {name: x}\n"},
		{"a list without kinds", "apiVersion: v1\nkind: List\nitems: [{metadata: {name: x}}]\n"},
		{"no mapping", "- a\n- b\n"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			api, c := start(t)
			good := "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n"
			if err := c.Apply(t.Context(), []byte(good+tc.text), "test"); err == nil {
				t.Error("no error")
			}
			if writes := api.takeWrites(); len(writes) != 0 {
				t.Errorf("written before all was read: %v", writes)
			}
		})
	}
}

func TestApplyStopsWhenTheClusterIsGone(t *testing.T) {
	api, c := start(t)
	if err := c.Apply(t.Context(), []byte(manifests), "test"); err == nil {
		t.Fatal("no error")
	}
	api.takeWrites()
	api.status = 401
	if err := c.Apply(t.Context(), []byte(manifests), "test"); !errors.Is(err, kube.ErrUnauthorized) {
		t.Errorf("error %v", err)
	}
	if writes := api.takeWrites(); len(writes) != 1 {
		t.Errorf("writes %v", writes)
	}
}
