package kube_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

const nodePath = "/api/v1/nodes/"

func TestNodes(t *testing.T) {
	api, c := start(t)
	api.put(nodePath+"cp-0", `{"kind":"Node","apiVersion":"v1","metadata":{"name":"cp-0","labels":{"a":"b"}},
		"spec":{"providerID":"openstack:///1","unschedulable":true,"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]},
		"status":{"nodeInfo":{"kubeletVersion":"v1.37.2","systemUUID":"ABC-1"},
			"addresses":[{"type":"Hostname","address":"cp-0"},{"type":"InternalIP","address":"10.0.0.5"},{"type":"InternalIP","address":"fd00::5"},{"type":"ExternalIP","address":"192.0.2.1"}],
			"conditions":[{"type":"MemoryPressure","status":"True"},{"type":"Ready","status":"True","reason":"KubeletReady","message":"fine"}]}}`)
	api.put(nodePath+"w-0", `{"kind":"Node","apiVersion":"v1","metadata":{"name":"w-0"},"spec":{},
		"status":{"conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady","message":"no network plugin"}]}}`)
	api.put(nodePath+"w-1", `{"kind":"Node","apiVersion":"v1","metadata":{"name":"w-1"},"spec":{},"status":{}}`)
	got, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []kube.Node{
		{Name: "cp-0", Ready: true, Version: "v1.37.2", ProviderID: "openstack:///1", SystemUUID: "abc-1", InternalIPs: []string{"10.0.0.5", "fd00::5"},
			Labels: map[string]string{"a": "b"}, Taints: []kube.Taint{{Key: "k", Value: "v", Effect: "NoSchedule"}}, Unschedulable: true,
			Conditions: []kube.Condition{{Type: "MemoryPressure", Status: "True"}, {"Ready", "True", "KubeletReady", "fine"}}},
		{Name: "w-0", Reason: "KubeletNotReady: no network plugin", Conditions: []kube.Condition{{"Ready", "False", "KubeletNotReady", "no network plugin"}}},
		{Name: "w-1", Reason: "the kubelet has not reported yet"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func emptyNode(name string) string {
	return `{"kind":"Node","apiVersion":"v1","metadata":{"name":"` + name + `"},"spec":{},"status":{}}`
}

func TestCordonAndDeleteNode(t *testing.T) {
	api, c := start(t)
	api.put(nodePath+"w-0", emptyNode("w-0"))
	for range 2 {
		if err := c.Cordon(t.Context(), "w-0"); err != nil {
			t.Fatal(err)
		}
	}
	if spec := api.get(t, nodePath+"w-0")["spec"].(object); spec["unschedulable"] != true {
		t.Errorf("spec %v", spec)
	}
	if diff := cmp.Diff([]string{"PATCH " + nodePath + "w-0"}, api.takeWrites()); diff != "" {
		t.Errorf("writes:\n%s", diff)
	}
	for range 2 {
		if err := c.DeleteNode(t.Context(), "w-0"); err != nil {
			t.Fatal(err)
		}
	}
	if nodes, err := c.Nodes(t.Context()); err != nil || len(nodes) != 0 {
		t.Errorf("%v, %v", nodes, err)
	}
	if err := c.Cordon(t.Context(), "w-0"); err != nil {
		t.Errorf("cordon of a node that is gone: %v", err)
	}
	api.status = 500
	if err := c.DeleteNode(t.Context(), "w-0"); err == nil {
		t.Error("a failed deletion was reported as done")
	}
}

func TestLabelNode(t *testing.T) {
	api, c := start(t)
	api.put(nodePath+"w-0", `{"kind":"Node","apiVersion":"v1","metadata":{"name":"w-0","labels":{"theirs":"1"}},"spec":{}}`)
	steps := []struct {
		name   string
		want   map[string]string
		live   object
		writes int
	}{
		{"set", map[string]string{"a": "1", "b/c": "2"}, object{"theirs": "1", "a": "1", "b/c": "2"}, 1},
		{"again", map[string]string{"a": "1", "b/c": "2"}, object{"theirs": "1", "a": "1", "b/c": "2"}, 0},
		{"change", map[string]string{"a": "3", "b/c": "2"}, object{"theirs": "1", "a": "3", "b/c": "2"}, 1},
		{"drop one, whoever owns it too, then own the rest", map[string]string{"b/c": "2"}, object{"theirs": "1", "b/c": "2"}, 2},
		{"drop all", nil, object{"theirs": "1"}, 2},
		{"nothing to drop", nil, object{"theirs": "1"}, 0},
	}
	for _, step := range steps {
		if err := c.LabelNode(t.Context(), "w-0", step.want); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.live, api.get(t, nodePath+"w-0")["metadata"].(object)["labels"]); diff != "" {
			t.Errorf("%s:\n%s", step.name, diff)
		}
		if writes := api.takeWrites(); len(writes) != step.writes {
			t.Errorf("%s: writes %v", step.name, writes)
		}
	}
	// Somebody takes our label away: it comes back.
	_ = c.LabelNode(t.Context(), "w-0", map[string]string{"a": "1"})
	delete(api.get(t, nodePath+"w-0")["metadata"].(object)["labels"].(object), "a")
	if err := c.LabelNode(t.Context(), "w-0", map[string]string{"a": "1"}); err != nil {
		t.Error(err)
	}
	if labels := api.get(t, nodePath+"w-0")["metadata"].(object)["labels"].(object); labels["a"] != "1" {
		t.Errorf("labels %v", labels)
	}
	if err := c.LabelNode(t.Context(), "gone", nil); !errors.Is(err, kube.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

// TestLabelNodeMakesNoNode: the node goes between reading and applying.
func TestLabelNodeMakesNoNode(t *testing.T) {
	api, c := start(t)
	api.put(nodePath+"w-0", emptyNode("w-0"))
	api.before = func(r *http.Request) {
		if r.Method == http.MethodPatch {
			api.mu.Lock()
			delete(api.objects, nodePath+"w-0")
			api.mu.Unlock()
		}
	}
	if err := c.LabelNode(t.Context(), "w-0", map[string]string{"a": "1"}); err == nil || !kube.Transient(err) {
		t.Errorf("error %v", err)
	}
	if len(api.objects) != 0 {
		t.Error("a node came to be")
	}
}

func TestTaintNode(t *testing.T) {
	const theirs = `{"key":"node.kubernetes.io/not-ready","effect":"NoExecute","timeAdded":"2026-08-01T12:00:00Z"}`
	api, c := start(t)
	api.put(nodePath+"w-0", `{"kind":"Node","apiVersion":"v1","metadata":{"name":"w-0"},"spec":{"taints":[`+theirs+`]}}`)
	taint := func(key, value, effect string) kube.Taint { return kube.Taint{Key: key, Value: value, Effect: effect} }
	steps := []struct {
		name   string
		want   []kube.Taint
		live   string
		writes int
	}{
		{"set", []kube.Taint{taint("b", "1", "NoSchedule"), taint("a", "", "NoExecute")}, "not-ready=:NoExecute a=:NoExecute b=1:NoSchedule", 1},
		{"again in another order", []kube.Taint{taint("a", "", "NoExecute"), taint("b", "1", "NoSchedule")}, "not-ready=:NoExecute a=:NoExecute b=1:NoSchedule", 0},
		{"change", []kube.Taint{taint("a", "", "NoExecute"), taint("b", "2", "NoSchedule")}, "not-ready=:NoExecute a=:NoExecute b=2:NoSchedule", 1},
		{"another effect", []kube.Taint{taint("b", "2", "NoExecute")}, "not-ready=:NoExecute b=2:NoExecute", 1},
		{"none", nil, "not-ready=:NoExecute", 1},
		{"still none", nil, "not-ready=:NoExecute", 0},
	}
	for _, step := range steps {
		if err := c.TaintNode(t.Context(), "w-0", step.want); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		var live []string
		for _, x := range api.get(t, nodePath+"w-0")["spec"].(object)["taints"].([]any) {
			o := x.(object)
			value, _ := o["value"].(string)
			live = append(live, strings.TrimPrefix(fmt.Sprintf("%s=%s:%s", o["key"], value, o["effect"]), "node.kubernetes.io/"))
			if strings.HasSuffix(o["key"].(string), "not-ready") && o["timeAdded"] != "2026-08-01T12:00:00Z" {
				t.Errorf("%s: the time of their taint is lost: %v", step.name, o)
			}
		}
		if diff := cmp.Diff(step.live, strings.Join(live, " ")); diff != "" {
			t.Errorf("%s:\n%s", step.name, diff)
		}
		if writes := api.takeWrites(); len(writes) != step.writes {
			t.Errorf("%s: writes %v", step.name, writes)
		}
	}
	if marks := api.get(t, nodePath+"w-0")["metadata"].(object)["annotations"].(object); len(marks) != 0 {
		t.Errorf("annotations %v are left", marks)
	}
	api.before = func(r *http.Request) {
		if r.Method == http.MethodPatch { // the controller is faster
			api.mu.Lock()
			api.put(nodePath+"w-0", emptyNode("w-0"))
			api.mu.Unlock()
		}
	}
	if err := c.TaintNode(t.Context(), "w-0", []kube.Taint{taint("a", "", "NoExecute")}); err == nil || !kube.Transient(err) {
		t.Errorf("error %v, want a conflict", err)
	}
}

func TestVolumeAttachments(t *testing.T) {
	api, c := start(t)
	for i, node := range []string{"w-0", "w-1", "w-0", "w-0", "w-2"} {
		api.put(fmt.Sprintf("/apis/storage.k8s.io/v1/volumeattachments/a%d", i),
			fmt.Sprintf(`{"kind":"VolumeAttachment","apiVersion":"storage.k8s.io/v1","metadata":{"name":"a%d"},"spec":{"nodeName":%q}}`, i, node))
	}
	for node, want := range map[string]int{"w-0": 3, "w-1": 1, "w-9": 0} {
		if got, err := c.VolumeAttachments(t.Context(), node); err != nil || got != want {
			t.Errorf("%s has %d, %v", node, got, err)
		}
	}
}

func podPath(name string) string { return "/api/v1/namespaces/shop/pods/" + name }

func pod(name, node, more, phase string) string {
	return `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"` + name + `","namespace":"shop"` + more + `},"spec":{"nodeName":"` + node + `"},"status":{"phase":"` + phase + `"}}`
}

func owner(kind string) string {
	return `,"ownerReferences":[{"apiVersion":"apps/v1","kind":"` + kind + `","name":"o","uid":"1","controller":true}]`
}

func drainedNode(api *fakeAPI) {
	for name, text := range map[string]string{
		"web-0":    pod("web-0", "w-0", owner("ReplicaSet"), "Running"),
		"web-1":    pod("web-1", "w-1", owner("ReplicaSet"), "Running"),
		"db-0":     pod("db-0", "w-0", owner("StatefulSet"), "Running"),
		"bare":     pod("bare", "w-0", "", "Pending"),
		"proxy":    pod("proxy", "w-0", owner("DaemonSet"), "Running"),
		"static":   pod("static", "w-0", `,"annotations":{"kubernetes.io/config.mirror":"x"}`, "Running"),
		"job-done": pod("job-done", "w-0", owner("Job"), "Succeeded"),
		"job-dead": pod("job-dead", "w-0", owner("Job"), "Failed"),
	} {
		api.put(podPath(name), text)
	}
}

// TestForgetStaticPods: those of a node that is gone go; those of others, and pods that are no static ones, stay.
func TestForgetStaticPods(t *testing.T) {
	api, c := start(t)
	api.put(nodePath+"cp-1", `{"kind":"Node","apiVersion":"v1","metadata":{"name":"cp-1"},"spec":{},"status":{}}`)
	const static = `,"labels":{"tier":"control-plane"},"annotations":{"kubernetes.io/config.mirror":"x"}`
	api.put(podPath("api-cp-0"), pod("api-cp-0", "cp-0", static, "Running"))
	api.put(podPath("api-cp-1"), pod("api-cp-1", "cp-1", static, "Running"))
	api.put(podPath("other"), pod("other", "cp-0", `,"labels":{"tier":"control-plane"}`, "Running"))
	if err := c.ForgetStaticPods(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"DELETE " + podPath("api-cp-0")}, api.takeWrites()); diff != "" {
		t.Error(diff)
	}
}

func TestDrain(t *testing.T) {
	api, c := start(t)
	drainedNode(api)
	api.budgets["db-0"] = "db"
	grace := 30 * time.Second

	got, err := c.Drain(t.Context(), "w-0", kube.DrainOptions{GracePeriod: &grace})
	want := []string{
		"shop/bare: terminating",
		"shop/db-0: held by a disruption budget: The disruption budget db needs 2 healthy pods and has 2 currently",
		"shop/web-0: terminating",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("%v\n%s", err, diff)
	}
	wrote := []string{"POST " + podPath("bare") + "/eviction", "POST " + podPath("db-0") + "/eviction", "POST " + podPath("web-0") + "/eviction"}
	if diff := cmp.Diff(wrote, api.takeWrites()); diff != "" {
		t.Errorf("writes:\n%s", diff)
	}
	if seconds := api.get(t, podPath("web-0"))["metadata"].(object)["deletionGracePeriodSeconds"]; fmt.Sprint(seconds) != "30" {
		t.Errorf("grace period %v", seconds)
	}

	// What is leaving is not asked again; one has gone by now.
	delete(api.objects, podPath("bare"))
	got, err = c.Drain(t.Context(), "w-0", kube.DrainOptions{})
	if err != nil || len(got) != 2 || len(api.takeWrites()) != 1 {
		t.Fatalf("%v, %v", got, err)
	}

	// The time is up.
	delete(api.objects, podPath("web-0"))
	got, err = c.Drain(t.Context(), "w-0", kube.DrainOptions{DisregardBudgets: true})
	if diff := cmp.Diff([]string{"shop/db-0: terminating"}, got); diff != "" || err != nil {
		t.Fatalf("%v\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"DELETE " + podPath("db-0")}, api.takeWrites()); diff != "" {
		t.Errorf("writes:\n%s", diff)
	}
	// Something keeps its record for ever: it is not waited for when its own time is over for so long.
	ended := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for since, want := range map[time.Time]int{ended: 1, ended.Add(time.Second): 0} {
		if got, err = c.Drain(t.Context(), "w-0", kube.DrainOptions{DisregardBudgets: true, OverSince: since}); err != nil || len(got) != want {
			t.Errorf("over since %s: %v, %v", since, got, err)
		}
	}
	delete(api.objects, podPath("db-0"))
	if got, err = c.Drain(t.Context(), "w-0", kube.DrainOptions{}); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if _, there := api.objects[podPath("web-1")]["metadata"].(object)["deletionTimestamp"]; there {
		t.Error("a pod of another node was evicted")
	}
}

func TestDrainTrouble(t *testing.T) {
	eviction := "POST " + podPath("web-0") + "/eviction"
	tests := []struct {
		name   string
		fail   func(http.ResponseWriter)
		want   []string
		is     error
		failed bool
	}{
		{"gone meanwhile", func(w http.ResponseWriter) { refuse(w, 404, "NotFound", "no pod") }, []string{}, nil, false},
		{"made anew elsewhere", func(w http.ResponseWriter) { refuse(w, 409, "Conflict", "uid") }, []string{"shop/web-0: replaced by another pod of its name"}, nil, false},
		{"two budgets", func(w http.ResponseWriter) { refuse(w, 500, "InternalError", "more than one budget") }, []string{"shop/web-0: cannot be evicted: more than one budget"}, nil, false},
		{"not known any more", func(w http.ResponseWriter) { refuse(w, 401, "Unauthorized", "who") }, nil, kube.ErrUnauthorized, true},
		{"connection cut", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, nil, kube.ErrUnreachable, true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			api, c := start(t)
			api.put(podPath("web-0"), pod("web-0", "w-0", owner("ReplicaSet"), "Running"))
			api.failing[eviction] = tc.fail
			got, err := c.Drain(t.Context(), "w-0", kube.DrainOptions{})
			if (err != nil) != tc.failed || (tc.is != nil && !errors.Is(err, tc.is)) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
