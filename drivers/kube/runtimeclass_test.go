package kube_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

func kata() kube.RuntimeClass {
	return kube.RuntimeClass{Name: "kata", Handler: "kata", Overhead: map[string]string{"cpu": "250m", "memory": "160Mi"},
		Label: [2]string{"example.org/runtime", "kata"}, Taint: kube.Taint{Key: "example.org/runtime", Value: "kata", Effect: "NoSchedule"}}
}

func TestSetRuntimeClasses(t *testing.T) {
	const path = "/apis/node.k8s.io/v1/runtimeclasses/"
	const patched, deleted = "PATCH " + path, "DELETE " + path
	ours := func(name, handler string) string {
		return `{"metadata":{"name":"` + name + `","labels":{"app.kubernetes.io/managed-by":"jeroboam"}},"handler":"` + handler + `"}`
	}
	theirs := func(name, handler string) string {
		return `{"metadata":{"name":"` + name + `"},"handler":"` + handler + `"}`
	}
	tests := []struct {
		name   string
		there  map[string]string // by name
		want   []kube.RuntimeClass
		writes []string
		is     error
	}{
		{name: "none are wanted, none are there"},
		{name: "a new one", want: []kube.RuntimeClass{kata()}, writes: []string{patched + "kata"}},
		{name: "one that is not wanted any more", there: map[string]string{"kata": ours("kata", "kata"), "gvisor": ours("gvisor", "runsc")}, want: []kube.RuntimeClass{kata()},
			writes: []string{deleted + "gvisor", patched + "kata"}},
		{name: "the last", there: map[string]string{"kata": ours("kata", "kata")}, writes: []string{deleted + "kata"}},
		{name: "a user's own stays", there: map[string]string{"mine": theirs("mine", "kata")}},
		{name: "a user's own of that name does as well", there: map[string]string{"kata": theirs("kata", "kata")}, want: []kube.RuntimeClass{kata()}},
		{name: "a user's own of that name with another handler", there: map[string]string{"kata": theirs("kata", "kata-qemu")}, want: []kube.RuntimeClass{kata()}, is: kube.ErrTaken},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			api, c := start(t)
			for name, text := range tc.there {
				api.put(path+name, text)
			}
			if err := c.SetRuntimeClasses(t.Context(), tc.want); !errors.Is(err, tc.is) {
				t.Errorf("error %v, want %v", err, tc.is)
			}
			if diff := cmp.Diff(tc.writes, api.takeWrites()); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRuntimeClassIsComplete(t *testing.T) {
	api, c := start(t)
	if err := c.SetRuntimeClasses(t.Context(), []kube.RuntimeClass{kata()}); err != nil {
		t.Fatal(err)
	}
	got := api.get(t, "/apis/node.k8s.io/v1/runtimeclasses/kata")
	want := object{"overhead": object{"podFixed": object{"cpu": "250m", "memory": "160Mi"}}, "handler": "kata",
		"scheduling": object{"nodeSelector": object{"example.org/runtime": "kata"},
			"tolerations": []any{object{"key": "example.org/runtime", "operator": "Equal", "value": "kata", "effect": "NoSchedule"}}}}
	for field, value := range want {
		if diff := cmp.Diff(value, got[field]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
}
