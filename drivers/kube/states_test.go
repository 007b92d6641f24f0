package kube_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// tables answers as an API server does that is asked for a table of nodes, a page of two rows at a time.
func tables(t *testing.T, rows ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/nodes" || !strings.Contains(r.Header.Get("Accept"), "as=Table") || r.URL.Query().Get("includeObject") != "None" {
			t.Errorf("asked for %s with Accept %s", r.URL, r.Header.Get("Accept"))
		}
		var from int
		_, _ = fmt.Sscan(r.URL.Query().Get("continue"), &from)
		meta, to := object{"resourceVersion": "7"}, min(from+2, len(rows))
		if to < len(rows) {
			meta["continue"] = fmt.Sprint(to)
		}
		var out []object
		for _, row := range rows[from:to] {
			name, status, _ := strings.Cut(row, " ")
			out = append(out, object{"cells": []any{name, status, "<none>", "3d", "v1.37.2"}, "object": nil})
		}
		answer(w, http.StatusOK, object{"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "rows": out,
			"columnDefinitions": []object{{"name": "Name", "type": "string", "format": "name"}, {"name": "Status", "type": "string"}, {"name": "Roles", "type": "string"},
				{"name": "Age", "type": "string"}, {"name": "Version", "type": "string"}}})
	})
}

func TestNodeStates(t *testing.T) {
	c := connect(t, serve(t, tables(t, "a Ready", "b NotReady", "c Ready,SchedulingDisabled", "d Unknown", "e NotReady,SchedulingDisabled")))
	got, err := c.NodeStates(t.Context())
	if want := map[string]bool{"a": true, "b": false, "c": true, "d": false, "e": false}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

func TestNodeStatesOfAClusterThatIsAway(t *testing.T) {
	a := serve(t, tables(t))
	a.Endpoint = "https://127.0.0.1:1"
	if _, err := connect(t, a).NodeStates(t.Context()); !errors.Is(err, kube.ErrUnreachable) {
		t.Errorf("%v", err)
	}
}
