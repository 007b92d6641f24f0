package kube

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apischema "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// readyCloud has a cluster of one control plane and a worker.
func readyCloud(t *testing.T) *cloud {
	t.Helper()
	c := newCloud(t)
	c.boot(c.master(0), c.worker(0))
	c.awaitState(StateReady, "demo-master-0", "demo-node-0")
	return c
}

func TestApply(t *testing.T) {
	c := readyCloud(t)
	config := c.config("system:masters")
	client := c.client("system:masters")
	dyn, err := dynamic.NewForConfig(config)
	check(t, err)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	mapping, err := mapper.RESTMapping(apischema.GroupKind{Group: "apps", Kind: "Deployment"}, "v1")
	check(t, err)
	deployments := dyn.Resource(mapping.Resource).Namespace("kube-system")
	deployment := func(image string, replicas int64) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{"name": "ccm", "namespace": "kube-system", "labels": map[string]any{"app": "ccm"}},
			"spec": map[string]any{
				"replicas": replicas, "selector": map[string]any{"matchLabels": map[string]any{"app": "ccm"}},
				"template": map[string]any{
					"metadata": map[string]any{"labels": map[string]any{"app": "ccm"}},
					"spec":     map[string]any{"containers": []any{map[string]any{"name": "ccm", "image": image}}},
				},
			},
		}}
	}
	apply := func(manager string, force bool, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		return deployments.Apply(t.Context(), "ccm", o, metav1.ApplyOptions{FieldManager: manager, Force: force})
	}
	first, err := apply("jeroboam", false, deployment("ccm:1", 1))
	check(t, err)
	if first.GetUID() == "" || first.GetGeneration() != 1 || len(first.GetManagedFields()) != 1 {
		t.Errorf("first: %v", first)
	}
	again, err := apply("jeroboam", false, deployment("ccm:1", 1))
	check(t, err)
	if again.GetResourceVersion() != first.GetResourceVersion() {
		t.Error("applying the same thing again changed the object")
	}
	next, err := apply("jeroboam", false, deployment("ccm:2", 1))
	check(t, err)
	if next.GetGeneration() != 2 {
		t.Errorf("generation is %d", next.GetGeneration())
	}
	if _, err = apply("somebody", false, deployment("ccm:3", 1)); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `conflict with "jeroboam"`) {
		t.Fatalf("conflict: %v", err)
	}
	forced, err := apply("somebody", true, deployment("ccm:3", 1))
	check(t, err)
	containers, _, _ := unstructured.NestedSlice(forced.Object, "spec", "template", "spec", "containers")
	if containers[0].(map[string]any)["image"] != "ccm:3" {
		t.Errorf("forced: %v", containers)
	}
	// what its only manager no longer applies goes
	without := deployment("ccm:3", 1)
	unstructured.RemoveNestedField(without.Object, "metadata", "labels")
	for _, manager := range []string{"jeroboam", "somebody"} {
		next, err = apply(manager, true, without)
		check(t, err)
	}
	if len(next.GetLabels()) != 0 {
		t.Errorf("labels %v", next.GetLabels())
	}
	check(t, deployments.Delete(t.Context(), "ccm", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptr(first.GetUID())}}))
	wrong := deployment("ccm:3", 1)
	check(t, unstructured.SetNestedField(wrong.Object, "x", "spec", "noSuchField"))
	if _, err := apply("jeroboam", true, wrong); err == nil || !strings.Contains(err.Error(), "noSuchField") {
		t.Errorf("unknown field: %v", err)
	}
}

func TestPatchAndUpdate(t *testing.T) {
	c := readyCloud(t)
	nodes := c.client("system:masters").CoreV1().Nodes()
	for _, patch := range []struct {
		name string
		kind types.PatchType
		body string
	}{
		{"merge", types.MergePatchType, `{"metadata":{"labels":{"merge":"1"}}}`},
		{"strategic", types.StrategicMergePatchType, `{"metadata":{"labels":{"strategic":"1"}},"spec":{"unschedulable":true}}`},
		{"json", types.JSONPatchType, `[{"op":"add","path":"/metadata/labels/json","value":"1"}]`},
	} {
		node, err := nodes.Patch(t.Context(), "demo-node-0", patch.kind, []byte(patch.body), metav1.PatchOptions{})
		check(t, err)
		if node.Labels[patch.name] != "1" {
			t.Errorf("%s: %v", patch.name, node.Labels)
		}
	}
	// a strategic merge patch merges lists by their key
	pod := newPod("p", "demo-node-0")
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "d", Image: "d:1"})
	pods := c.client("system:masters").CoreV1().Pods("default")
	_, err := pods.Create(t.Context(), pod, metav1.CreateOptions{})
	check(t, err)
	pod, err = pods.Patch(t.Context(), "p", types.StrategicMergePatchType, []byte(`{"spec":{"containers":[{"name":"d","image":"d:2"}]}}`), metav1.PatchOptions{})
	check(t, err)
	if len(pod.Spec.Containers) != 2 || pod.Spec.Containers[1].Image != "d:2" && pod.Spec.Containers[0].Image != "d:2" {
		t.Errorf("containers %v", pod.Spec.Containers)
	}

	node, err := nodes.Get(t.Context(), "demo-node-0", metav1.GetOptions{})
	check(t, err)
	if !node.Spec.Unschedulable || !nodeIsReady(node) {
		t.Errorf("node %+v", node)
	}
	stale := node.DeepCopy()
	node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: "k", Effect: corev1.TaintEffectNoExecute})
	node.Status.Conditions = nil // not changed by a request for the object
	node, err = nodes.Update(t.Context(), node, metav1.UpdateOptions{})
	check(t, err)
	if len(node.Spec.Taints) != 2 || !nodeIsReady(node) {
		t.Errorf("updated node %+v", node)
	}
	if _, err := nodes.Update(t.Context(), stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("stale update: %v", err)
	}
	node.Labels["sneaked"] = "in" // not changed by a request for the status
	node.Status.Phase = corev1.NodeRunning
	node, err = nodes.UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
	check(t, err)
	if node.Status.Phase != corev1.NodeRunning || node.Labels["sneaked"] != "" {
		t.Errorf("status %+v", node)
	}
	if _, err := nodes.Patch(t.Context(), "nobody", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("patch of nothing: %v", err)
	}
}

func TestCollections(t *testing.T) {
	c := readyCloud(t)
	core := c.client("system:masters").CoreV1()
	_, err := core.ConfigMaps("nowhere").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("create in a namespace that is not there: %v", err)
	}
	if _, err := core.Namespaces().Create(t.Context(), newNamespace("UPPER"), metav1.CreateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("create with a bad name: %v", err)
	}
	_, err = core.Namespaces().Create(t.Context(), newNamespace("team"), metav1.CreateOptions{})
	check(t, err)
	if _, err := core.Namespaces().Create(t.Context(), newNamespace("team"), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Errorf("create twice: %v", err)
	}
	for i := range 3 {
		_, err := core.ConfigMaps("team").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("m%d", i), Labels: map[string]string{"odd": fmt.Sprint(i % 2)},
		}}, metav1.CreateOptions{})
		check(t, err)
	}
	count := func(options metav1.ListOptions) int {
		list, err := core.ConfigMaps("team").List(t.Context(), options)
		check(t, err)
		own := slices.DeleteFunc(list.Items, func(m corev1.ConfigMap) bool { return m.Name == "kube-root-ca.crt" })
		return len(own)
	}
	if n := count(metav1.ListOptions{LabelSelector: "odd=0"}); n != 2 {
		t.Errorf("%d by label", n)
	}
	if n := count(metav1.ListOptions{FieldSelector: "metadata.name=m1"}); n != 1 {
		t.Errorf("%d by name", n)
	}
	if _, err := core.ConfigMaps("team").List(t.Context(), metav1.ListOptions{FieldSelector: "data.x=1"}); !apierrors.IsBadRequest(err) {
		t.Errorf("by a field that is not selectable: %v", err)
	}
	check(t, core.ConfigMaps("team").DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "odd=0"}))
	if n := count(metav1.ListOptions{}); n != 1 {
		t.Errorf("%d left", n)
	}
	dry, err := core.ConfigMaps("team").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "dry-"}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	check(t, err)
	if n := count(metav1.ListOptions{}); n != 1 || !strings.HasPrefix(dry.Name, "dry-") {
		t.Errorf("%d after a dry run of %q", n, dry.Name)
	}
	check(t, core.Namespaces().Delete(t.Context(), "team", metav1.DeleteOptions{}))
	if n := count(metav1.ListOptions{}); n != 0 {
		t.Errorf("%d left in a deleted namespace", n)
	}
	// finalizers hold an object
	_, err = core.PersistentVolumes().Create(t.Context(), &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "v", Finalizers: []string{"kubernetes.io/pv-protection"}}}, metav1.CreateOptions{})
	check(t, err)
	check(t, core.PersistentVolumes().Delete(t.Context(), "v", metav1.DeleteOptions{}))
	volume, err := core.PersistentVolumes().Get(t.Context(), "v", metav1.GetOptions{})
	check(t, err)
	if volume.DeletionTimestamp == nil {
		t.Error("it is not being deleted")
	}
	volume.Finalizers = nil
	_, err = core.PersistentVolumes().Update(t.Context(), volume, metav1.UpdateOptions{})
	check(t, err)
	if _, err := core.PersistentVolumes().Get(t.Context(), "v", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after its last finalizer: %v", err)
	}
}

func TestWatch(t *testing.T) {
	c := readyCloud(t)
	maps := c.client("system:masters").CoreV1().ConfigMaps("default")
	list, err := maps.List(t.Context(), metav1.ListOptions{})
	check(t, err)
	w, err := maps.Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion, LabelSelector: "mine"})
	check(t, err)
	defer w.Stop()
	label := func(value map[string]string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: value}}
	}
	_, err = maps.Create(t.Context(), label(map[string]string{"mine": "1"}), metav1.CreateOptions{})
	check(t, err)
	_, err = maps.Update(t.Context(), label(map[string]string{"mine": "2"}), metav1.UpdateOptions{})
	check(t, err)
	_, err = maps.Update(t.Context(), label(nil), metav1.UpdateOptions{}) // out of sight
	check(t, err)
	_, err = maps.Update(t.Context(), label(map[string]string{"mine": "3"}), metav1.UpdateOptions{})
	check(t, err)
	check(t, maps.Delete(t.Context(), "a", metav1.DeleteOptions{}))
	for i, want := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted, watch.Added, watch.Deleted} {
		if event := <-w.ResultChan(); event.Type != want {
			t.Fatalf("event %d is %v, not %s", i, event, want)
		}
	}
	streamed, err := c.client("system:masters").CoreV1().Nodes().Watch(t.Context(), metav1.ListOptions{
		SendInitialEvents: ptr(true), AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	check(t, err)
	defer streamed.Stop()
	for i, want := range []watch.EventType{watch.Added, watch.Added, watch.Bookmark} {
		if event := <-streamed.ResultChan(); event.Type != want {
			t.Fatalf("initial event %d is %v, not %s", i, event, want)
		}
	}
	_, err = maps.Watch(t.Context(), metav1.ListOptions{ResourceVersion: "nonsense"})
	if !apierrors.IsBadRequest(err) {
		t.Errorf("watch from nonsense: %v", err)
	}
}

func ptr[T any](value T) *T { return &value }
