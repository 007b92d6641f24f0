package kube_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

func TestPrune(t *testing.T) {
	api, c := start(t)
	put := func(path, kind, meta string) {
		name := path[strings.LastIndex(path, "/")+1:]
		namespace := ""
		if rest, found := strings.CutPrefix(path, "/api/v1/namespaces/"); found && strings.Contains(rest, "/") {
			namespace, _, _ = strings.Cut(rest, "/")
		}
		api.put(path, `{"apiVersion":"v1","kind":"`+kind+`","metadata":{"name":"`+name+`","namespace":"`+namespace+`"`+meta+`}}`)
	}
	const ours, maps = `,"labels":{"managed":"us"}`, "/api/v1/namespaces/shop/configmaps/"
	put("/api/v1/namespaces/old", "Namespace", ours)
	put("/api/v1/namespaces/shop", "Namespace", "")
	put("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org", "CustomResourceDefinition", ours)
	put(maps+"wanted", "ConfigMap", ours)
	put(maps+"old", "ConfigMap", ours)
	put(maps+"older", "ConfigMap", ours)
	put(maps+"theirs", "ConfigMap", `,"labels":{"managed":"them"}`)
	put(maps+"derived", "ConfigMap", ours+`,"ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"s","uid":"u"}]`)
	put(maps+"going", "ConfigMap", ours+`,"deletionTimestamp":"2026-01-01T00:00:00Z"`)
	keep := func(u *unstructured.Unstructured) bool { return u.GetName() == "wanted" }

	n, err := c.Prune(t.Context(), "managed=us", keep)
	if err != nil || n != 4 {
		t.Fatalf("%d objects, %v", n, err)
	}
	api.mu.Lock()
	writes := api.writes // in their order
	api.writes = nil
	api.mu.Unlock()
	want := []string{"DELETE " + maps + "old", "DELETE " + maps + "older",
		"DELETE /apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org", "DELETE /api/v1/namespaces/old"}
	if d := cmp.Diff(want, writes); d != "" {
		t.Errorf("writes (-want +got):\n%s", d)
	}
	if n, err := c.Prune(t.Context(), "managed=us", keep); n != 0 || err != nil || len(api.takeWrites()) != 0 {
		t.Errorf("a second run: %d objects, %v", n, err)
	}
	api.status = http.StatusServiceUnavailable
	if _, err := c.Prune(t.Context(), "managed=us", keep); err == nil || !kube.Transient(err) {
		t.Errorf("an API that does not answer: %v", err)
	}
}

// TestApplyOfWhatCannotBeChanged: a StorageClass that is to be another one is made anew; other objects are left alone.
func TestApplyOfWhatCannotBeChanged(t *testing.T) {
	for _, tc := range []struct{ name, kind, path, want string }{
		{"a namespace", "Namespace", "/api/v1/namespaces/x", "PATCH"},
		{"a class", "StorageClass", "/apis/storage.k8s.io/v1/storageclasses/x", "PATCH DELETE PATCH"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			api, c := start(t)
			group := "v1"
			if tc.kind == "StorageClass" {
				group = "storage.k8s.io/v1"
			}
			api.put(tc.path, `{"apiVersion":"`+group+`","kind":"`+tc.kind+`","metadata":{"name":"x"}}`)
			api.failing = map[string]func(http.ResponseWriter){"PATCH " + tc.path: func(w http.ResponseWriter) {
				delete(api.failing, "PATCH "+tc.path) // until it was made anew
				refuse(w, 422, "Invalid", "parameters: Forbidden: updates to parameters are forbidden.")
			}}
			err := c.Apply(t.Context(), []byte("apiVersion: "+group+"\nkind: "+tc.kind+"\nmetadata: {name: x}\n"), "jeroboam")
			if (err == nil) != (tc.kind == "StorageClass") {
				t.Errorf("error %v", err)
			}
			var verbs []string
			for _, write := range api.writes {
				verb, _, _ := strings.Cut(write, " ")
				verbs = append(verbs, verb)
			}
			if got := strings.Join(verbs, " "); got != tc.want {
				t.Errorf("writes %s, want %s", got, tc.want)
			}
		})
	}
}

func TestNotRunning(t *testing.T) {
	const pods = "/api/v1/namespaces/shop/pods/"
	workload := func(kind, spec, status string) string {
		return `{"apiVersion":"apps/v1","kind":"` + kind + `","metadata":{"name":"w","namespace":"shop","generation":2},"spec":{"selector":{"matchLabels":{"app":"w"}}` + spec + `},"status":{` + status + `}}`
	}
	for _, tc := range []struct{ name, kind, spec, status, pod, want string }{
		{"a deployment that runs", "Deployment", `,"replicas":2`, `"observedGeneration":2,"updatedReplicas":2,"availableReplicas":2`, "", ""},
		{"one with half of its pods", "Deployment", `,"replicas":2`, `"observedGeneration":2,"updatedReplicas":2,"availableReplicas":1`, "", "Deployment w has 1 of 2 pods running"},
		{"one with pods of before", "Deployment", "", `"observedGeneration":2,"updatedReplicas":0,"availableReplicas":1`, "", "Deployment w has 0 of 1 pods running"},
		{"one that nobody has looked at", "Deployment", "", `"observedGeneration":1,"updatedReplicas":1,"availableReplicas":1`, "", "Deployment w was not looked at yet"},
		{"one that is not there", "Deployment", "", "", "", "Deployment w is not there"},
		{"an image that cannot be pulled", "Deployment", "", `"observedGeneration":2`, `"containerStatuses":[{"name":"c","state":{"waiting":{"reason":"ErrImagePull","message":"no such host"}}}]`,
			"Deployment w has 0 of 1 pods running: pod w-0: c: ErrImagePull: no such host"},
		{"a container that starts", "Deployment", "", `"observedGeneration":2`, `"containerStatuses":[{"name":"c","state":{"waiting":{"reason":"ContainerCreating"}}}]`, "Deployment w has 0 of 1 pods running"},
		{"no place for a pod", "StatefulSet", "", `"observedGeneration":2`, `"conditions":[{"type":"PodScheduled","status":"False","message":"0/3 nodes are available"}]`,
			"StatefulSet w has 0 of 1 pods running: pod w-0: 0/3 nodes are available"},
		{"a daemon set that runs", "DaemonSet", "", `"observedGeneration":2,"desiredNumberScheduled":3,"updatedNumberScheduled":3,"numberAvailable":3`, "", ""},
		{"one with a node to go", "DaemonSet", "", `"observedGeneration":2,"desiredNumberScheduled":3,"updatedNumberScheduled":2,"numberAvailable":3`, "", "DaemonSet w has 2 of 3 pods running"},
		{"one without nodes", "DaemonSet", "", `"observedGeneration":2`, "", ""},
		{"what is no workload", "ConfigMap", "", "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			api, c := start(t)
			if tc.status != "" {
				api.put("/apis/apps/v1/namespaces/shop/"+strings.ToLower(tc.kind)+"s/w", workload(tc.kind, tc.spec, tc.status))
			}
			if tc.pod != "" {
				api.put(pods+"w-0", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"w-0","namespace":"shop","labels":{"app":"w"}},"status":{`+tc.pod+`}}`)
			}
			o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": tc.kind, "metadata": map[string]any{"name": "w", "namespace": "shop"}}}
			got, err := c.NotRunning(t.Context(), []*unstructured.Unstructured{o})
			if err != nil || strings.Join(got, "; ") != tc.want {
				t.Errorf("got %v, %v, want %q", got, err, tc.want)
			}
		})
	}
	t.Run("an API that does not answer", func(t *testing.T) {
		api, c := start(t)
		api.status = http.StatusUnauthorized
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "w"}}}
		if _, err := c.NotRunning(t.Context(), []*unstructured.Unstructured{o}); !errors.Is(err, kube.ErrUnauthorized) {
			t.Errorf("error %v", err)
		}
	})
}
