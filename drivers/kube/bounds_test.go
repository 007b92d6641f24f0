package kube_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// TestAnAPIThatMeansHarm: who owns a cluster can put anything in the place of its API. Neither an answer nor a list without
// an end keeps us, and what nodes say of themselves stays small.
func TestAnAPIThatMeansHarm(t *testing.T) {
	client := func(t *testing.T, h http.HandlerFunc) *kube.Client {
		a := serve(t, h)
		a.Timeout = 10 * time.Second
		c, err := kube.New(a)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	t.Run("an answer without an end", func(t *testing.T) {
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for chunk := []byte(strings.Repeat(" ", 1<<20)); r.Context().Err() == nil; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		})
		if _, err := c.NodeStates(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 32 MiB") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a list without an end", func(t *testing.T) {
		a := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(w, `{"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"continue": "more"},
				"columnDefinitions": [{"name": "Name"}, {"name": "Status"}], "rows": []}`)
		}))
		a.Timeout = 100 * time.Millisecond
		c, err := kube.New(a)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.NodeStates(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("error %v, of the test's own time %v", err, ctx.Err())
		}
		if _, err := c.Nodes(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("error %v, of the test's own time %v", err, ctx.Err())
		}
	})
	t.Run("a node with much to say", func(t *testing.T) {
		long := strings.Repeat("ä", 10_000) + `\u0000`
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": [{"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}, "status":
				{"nodeInfo": {"kubeletVersion": "v1\u0000%[1]s"}, "conditions": [%[2]s{"type": "Ready", "status": "False", "reason": "a\u0000b", "message": "%[1]s"}]}}]}`,
				long, strings.Repeat(`{"type": "T", "status": "True", "message": "`+long+`"},`, 100))
		})
		l, err := c.Nodes(t.Context())
		if err != nil || len(l) != 1 {
			t.Fatalf("%d nodes, %v", len(l), err)
		}
		if text := fmt.Sprint(l[0]); len(text) > 50_000 || strings.ContainsRune(text, 0) || !strings.Contains(l[0].Reason, "ab: ä") {
			t.Errorf("%d bytes are kept, for the reason %.40q", len(text), l[0].Reason)
		}
	})
}
