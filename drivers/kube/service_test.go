package kube_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeleteLoadBalancers(t *testing.T) {
	api, c := start(t)
	put := func(namespace, name, kind, finalizers string) string {
		path := "/api/v1/namespaces/" + namespace + "/services/" + name
		api.put(path, fmt.Sprintf(`{"kind":"Service","apiVersion":"v1","metadata":{"name":%q,"namespace":%q%s},"spec":{"type":%q}}`, name, namespace, finalizers, kind))
		return path
	}
	put("default", "kubernetes", "ClusterIP", "")
	put("shop", "admin", "NodePort", "")
	plain := put("shop", "plain", "LoadBalancer", "")
	held := put("shop", "web", "LoadBalancer", `,"finalizers":["service.kubernetes.io/load-balancer-cleanup"]`)
	for i, want := range []struct{ left, writes []string }{
		{[]string{"shop/plain", "shop/web: service.kubernetes.io/load-balancer-cleanup"}, []string{"DELETE " + plain, "DELETE " + held}},
		{[]string{"shop/web: service.kubernetes.io/load-balancer-cleanup"}, nil}, // it has been asked already
	} {
		left, err := c.DeleteLoadBalancers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.left, left); diff != "" {
			t.Errorf("look %d: left:\n%s", i+1, diff)
		}
		if diff := cmp.Diff(want.writes, api.takeWrites()); diff != "" {
			t.Errorf("look %d: writes:\n%s", i+1, diff)
		}
	}
	delete(api.objects, held)
	if left, err := c.DeleteLoadBalancers(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("at the end: %v, %v", left, err)
	}
	api.status = 403
	if _, err := c.DeleteLoadBalancers(t.Context()); err == nil {
		t.Error("a refusal was taken for nothing")
	}
}
