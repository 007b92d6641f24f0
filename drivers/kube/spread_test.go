package kube_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpread(t *testing.T) {
	const (
		anywhere = `[{"operator":"Exists"}]`
		onCP     = `[{"key":"node-role.kubernetes.io/control-plane","effect":"NoSchedule"}]`
	)
	type pod struct {
		name, node, tolerations string
		ready                   bool
	}
	two := func(node, tolerations string) []pod {
		return []pod{{"a", node, tolerations, true}, {"b", node, tolerations, true}}
	}
	ready := object{"conditions": []object{{"type": "Ready", "status": "True"}}}
	cp := object{"spec": object{"taints": []object{{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}}}, "status": ready}
	worker := object{"spec": object{}, "status": ready}
	tests := []struct {
		name  string
		nodes map[string]object
		pods  []pod
		moves string
	}{
		{"together", map[string]object{"cp": cp, "w": worker}, two("cp", onCP), "a"},
		{"one is not ready, and no budget keeps it", map[string]object{"cp": cp, "w": worker}, []pod{{"a", "cp", onCP, true}, {"b", "cp", onCP, false}}, "b"},
		{"to a control plane", map[string]object{"cp": cp, "w": worker}, two("w", onCP), "a"},
		{"apart", map[string]object{"cp": cp, "w": worker}, []pod{{"a", "cp", onCP, true}, {"b", "w", onCP, true}}, ""},
		{"alone", map[string]object{"cp": cp, "w": worker}, []pod{{"a", "cp", onCP, true}}, ""},
		{"there is no other node", map[string]object{"cp": cp}, two("cp", onCP), ""},
		{"the other node does not take it", map[string]object{"cp": cp, "w": worker}, two("w", "[]"), ""},
		{"the other node is not ready", map[string]object{"cp": cp, "w": {"spec": object{}}}, two("cp", anywhere), ""},
		{"the other node is cordoned", map[string]object{"cp": cp, "w": {"spec": object{"unschedulable": true}, "status": ready}}, two("cp", anywhere), ""},
		{"nowhere yet", map[string]object{"cp": cp, "w": worker}, two("", onCP), ""},
	}
	put := func(t *testing.T, api *fakeAPI, path string, o object) {
		t.Helper()
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		api.put(path, string(text))
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			api, c := start(t)
			for name, node := range tc.nodes {
				put(t, api, "/api/v1/nodes/"+name, object{"kind": "Node", "apiVersion": "v1", "metadata": object{"name": name}, "spec": node["spec"], "status": node["status"]})
			}
			for _, p := range append(tc.pods, pod{"other", "w", anywhere, true}) {
				labels, conditions := object{"k8s-app": "kube-dns"}, []object{{"type": "Ready", "status": "False"}}
				if p.name == "other" {
					labels = object{}
				}
				if p.ready {
					conditions[0]["status"] = "True"
				}
				put(t, api, podPath(p.name), object{"kind": "Pod", "apiVersion": "v1", "metadata": object{"name": p.name, "namespace": "shop", "labels": labels},
					"spec": object{"nodeName": p.node, "tolerations": json.RawMessage(p.tolerations)}, "status": object{"phase": "Running", "conditions": conditions}})
			}
			var want []string
			if tc.moves != "" {
				want = []string{"POST " + podPath(tc.moves) + "/eviction"}
			}
			if err := c.Spread(t.Context(), "shop", "k8s-app=kube-dns"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, api.takeWrites()); diff != "" {
				t.Error(diff)
			}
			// A pod that is on its way is not asked again, nor is the other one after it.
			if err := c.Spread(t.Context(), "shop", "k8s-app=kube-dns"); err != nil || len(api.takeWrites()) > 0 {
				t.Errorf("again: %v", err)
			}
			if err := c.Spread(t.Context(), "default", "k8s-app=kube-dns"); err != nil || len(api.takeWrites()) > 0 {
				t.Errorf("of another namespace: %v", err)
			}
		})
	}
}
