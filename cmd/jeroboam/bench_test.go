package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/overhead"
)

// bench runs `jeroboam bench …`.
func bench(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e buffer
	code = shell{&o, &e}.run(t.Context(), append([]string{"bench"}, args...))
	return o.String(), e.String(), code
}

// TestBenchWork does the work on this machine.
func TestBenchWork(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report")
	out, errs, code := bench(t, "work", "cpu", "--json", "--samples", "2", "--time", "5ms", "--report", report)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	left, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{out, string(left)} {
		var figures []overhead.Figure
		if err := json.Unmarshal([]byte(raw), &figures); err != nil || len(figures) != 1 || len(figures[0].Samples) != 2 || figures[0].Median() <= 0 {
			t.Errorf("%v: %s", err, raw)
		}
	}
	if out, _, code = bench(t, "work", "network", "--samples", "1", "--time", "5ms"); code != 0 || !strings.Contains(out, "| network round trips |") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

func TestBenchRefusals(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"nothing", nil, 2, "work KIND"}, {"help", []string{"--help"}, 0, "overhead CLUSTER"}, {"no kind", []string{"work"}, 2, "cpu|disk|memory|network"}, {"unknown work", []string{"work", "gpu"}, 1, `there is no work "gpu"`},
		{"no samples", []string{"work", "cpu", "--samples", "0"}, 1, "0 samples"}, {"no cluster", []string{"overhead"}, 2, "bench overhead CLUSTER"}, {"no such work", []string{"overhead", "demo", "--work", "gpu"}, 2, "there are cpu"},
		{"help of work", []string{"work", "--help"}, 0, "--samples"}, {"help of overhead", []string{"overhead", "--help"}, 0, "FROM scratch"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, errs, code := bench(t, tc.args...)
			if code != tc.code || !strings.Contains(strings.ReplaceAll(out+errs, " -", " --"), tc.says) {
				t.Errorf("exit code %d:\n%s%s", code, out, errs)
			}
		})
	}
}

func TestComparison(t *testing.T) {
	rows := []overhead.Row{
		{Group: "metal", Node: "b1", Metal: true, Figure: overhead.Figure{Work: "cpu", Unit: "rounds/s", Samples: []float64{1000}}, Share: 1, Reference: true},
		{Group: "vms", Node: "w1", Figure: overhead.Figure{Work: "cpu", Unit: "rounds/s", Samples: []float64{905, 915}}, Share: 0.91},
		{Group: "vms", Node: "w1", Runtime: "kata", Figure: overhead.Figure{Work: "network"}, Err: errors.New("one node only")},
	}
	var table, document buffer
	if err := (output{format: "table"}).write(&table, comparison(rows, false)); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"| metal      | b1   | bm      | runc    | cpu     | 1000   | rounds/s | 0.0 %  | 100.0 % | -      | -             |",
		"| vms        | w1   | vm      | runc    | cpu     | 910    | rounds/s | 1.1 %  | 91.0 %  | 96.0 % | -             |",
		"| vms        | w1   | vm      | kata    | network | -      | -        | -      | -       | -      | one node only |"} {
		if !strings.Contains(table.String(), line) {
			t.Errorf("there is no line %s:\n%s", line, table.String())
		}
	}
	if err := (output{format: "json"}).write(&document, comparison(rows, true)); err != nil {
		t.Fatal(err)
	}
	var read []struct{ Share, Quoted, Median *float64 }
	if err := json.Unmarshal([]byte(document.String()), &read); err != nil || *read[1].Share != 0.91 || *read[1].Quoted != 0.96 || *read[1].Median != 910 || read[2].Share != nil {
		t.Errorf("%v: %s", err, document.String())
	}
}

// benchIn measures a simulated cluster, which runs no Jobs: everything up to them is real, and nothing stays behind.
func benchIn(t *testing.T, me *person, id string) {
	t.Helper()
	out, errs, code := bench(t, "overhead", "demo", "--image", "registry.example.org/jeroboam", "--work", "cpu")
	if code != 1 || !strings.Contains(out, "| default-worker | demo-") || !strings.Contains(out, "make Job g0-cpu") || !strings.Contains(errs, errUnmeasured.Error()) {
		t.Errorf("bench overhead: exit code %d\n%s%s", code, out, errs)
	}
	raw, err := me.kubeconfig(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(raw)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := c.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=jeroboam-bench"})
	if err != nil || len(l.Items) > 0 {
		t.Errorf("namespaces left behind: %v, %v", l, err)
	}
}
