package overhead

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

var testLabels = Labels{Group: "example.org/group", Runtime: "example.org/runtime", Metal: "example.org/machine=bm"}

func node(name, group string, labels map[string]string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{testLabels.Group: group}}}
	for key, value := range labels {
		n.Labels[key] = value
	}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return n
}

// cluster is a Kubernetes API without a cluster: whoever makes a Job gets a pod that has ended, with the work done for real
// by this process. What end says of a Job's command replaces that.
type cluster struct {
	*fake.Clientset
	mu   sync.Mutex
	jobs []*batchv1.Job
	end  func(command []string) *corev1.PodStatus
}

func newCluster(nodes ...runtime.Object) *cluster {
	c := &cluster{Clientset: fake.NewClientset(nodes...)}
	c.PrependReactor("create", "jobs", func(a clienttesting.Action) (bool, runtime.Object, error) {
		j := a.(clienttesting.CreateAction).GetObject().(*batchv1.Job)
		c.mu.Lock()
		c.jobs = append(c.jobs, j)
		c.mu.Unlock()
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: j.Name + "-x", Namespace: j.Namespace, Labels: map[string]string{batchv1.JobNameLabel: j.Name}}, Spec: j.Spec.Template.Spec}
		p.Status = c.run(p.Spec.Containers[0].Command)
		return false, nil, c.Tracker().Add(p)
	})
	return c
}

func (c *cluster) run(command []string) corev1.PodStatus {
	if c.end != nil {
		if s := c.end(command); s != nil {
			return *s
		}
	}
	if slices.Contains(command, "--listen") {
		return corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "192.0.2.7"}
	}
	figures, err := Do(context.Background(), command[3], Task{Samples: 2, Time: time.Millisecond, Bytes: mebi})
	if err != nil {
		return terminated(1, err.Error())
	}
	raw, _ := json.Marshal(figures)
	return terminated(0, string(raw))
}

func terminated(code int32, message string) corev1.PodStatus {
	phase := corev1.PodSucceeded
	if code != 0 {
		phase = corev1.PodFailed
	}
	return corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{{Name: container,
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: message}}}}}
}

func (c *cluster) namespaces(t *testing.T) []string {
	t.Helper()
	l, err := c.CoreV1().Namespaces().List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range l.Items {
		names = append(names, n.Name)
	}
	return names
}

func options() Options {
	return Options{Image: "registry.example.org/jeroboam", Program: "/jeroboam", Works: Works(), Samples: 2, SampleTime: time.Millisecond, Timeout: 10 * time.Second,
		Labels: testLabels, Progress: func(string) {}, Poll: time.Millisecond}
}

func nodes() []runtime.Object {
	tired, away := node("w9", "workers", nil), node("w0", "workers", nil)
	tired.Spec.Unschedulable = true
	away.Status.Conditions = nil
	return []runtime.Object{node("m1", "masters", map[string]string{controlPlane: ""}), node("w2", "workers", nil), node("w1", "workers", nil), tired, away,
		node("b1", "metal", map[string]string{"example.org/machine": "bm"}), node("b2", "metal", map[string]string{"example.org/machine": "bm"}),
		node("k1", "kata", map[string]string{testLabels.Runtime: "kata"})}
}

func TestMeasure(t *testing.T) {
	c := newCluster(nodes()...)
	rows, err := Measure(t.Context(), c, options())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]Row{}
	for _, r := range rows {
		seen[r.Group+" "+r.Work] = r
		if (r.Err == nil) != (r.Group != "kata" || r.Work != "network") {
			t.Errorf("%s of %s: %v", r.Work, r.Group, r.Err)
		}
		if r.Err == nil && (r.Share <= 0 || r.Reference != (r.Group == "metal") || r.Median() <= 0) {
			t.Errorf("%+v", r)
		}
	}
	if len(seen) != 7+7+6 {
		t.Errorf("%d rows: %v", len(seen), seen)
	}
	if r := seen["workers cpu"]; r.Node != "w1" || !r.QuotedFor() || seen["metal cpu"].QuotedFor() || seen["workers disk write"].QuotedFor() {
		t.Errorf("workers: %+v", r)
	}
	for _, j := range c.jobs {
		spec := j.Spec.Template.Spec
		sandboxed := spec.RuntimeClassName != nil && *spec.RuntimeClassName == "kata"
		where := spec.NodeSelector[corev1.LabelHostname]
		if sandboxed != (where == "k1") || *j.Spec.ActiveDeadlineSeconds != 10 || j.Spec.TTLSecondsAfterFinished == nil || *j.Spec.BackoffLimit != 0 {
			t.Errorf("Job %s on %s: %+v", j.Name, where, j.Spec)
		}
		command := strings.Join(spec.Containers[0].Command, " ")
		if strings.Contains(command, "network") && !strings.Contains(command, "--listen :5201") && !strings.Contains(command, "--connect 192.0.2.7:5201") {
			t.Errorf("the network is not measured between two nodes: %s", command)
		}
		if strings.Contains(command, "--listen") && where != "w2" && where != "b2" {
			t.Errorf("the other side is on %s", where)
		}
	}
	if left := c.namespaces(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMeasureThatFails(t *testing.T) {
	for _, tc := range []struct {
		name, says string
		status     corev1.PodStatus
	}{
		{"the work fails", "it ended with 3: no space left", terminated(3, "no space left\n")},
		{"no figures", "it left no figures but \"hello\"", terminated(0, "hello")},
		{"the image is not there", "not done after 50ms: ImagePullBackOff: no such image", corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{Name: container,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}}},
		{"no room", "0/1 nodes are available", corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available"}}}},
		{"evicted", "the pod failed: the pod is Failed The node was low on memory", corev1.PodStatus{Phase: corev1.PodFailed, Message: "The node was low on memory"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, o := newCluster(node("w1", "workers", nil)), options()
			c.end = func([]string) *corev1.PodStatus { return &tc.status }
			o.Works, o.Timeout = []string{"cpu"}, 50*time.Millisecond
			rows, err := Measure(t.Context(), c, o)
			if err != nil || len(rows) != 1 || rows[0].Err == nil || !strings.Contains(rows[0].Err.Error(), tc.says) {
				t.Errorf("rows %+v, error %v", rows, err)
			}
			if left := c.namespaces(t); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestMeasureIsInterrupted: what was made goes, although the context has ended.
func TestMeasureIsInterrupted(t *testing.T) {
	c, o := newCluster(node("w1", "workers", nil)), options()
	ctx, cancel := context.WithCancel(t.Context())
	c.end = func([]string) *corev1.PodStatus {
		cancel()
		return &corev1.PodStatus{Phase: corev1.PodRunning}
	}
	if _, err := Measure(ctx, c, o); err == nil {
		t.Error("it went on")
	}
	if left := c.namespaces(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMeasureSweeps(t *testing.T) {
	old := func(name string, age time.Duration, labels map[string]string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, CreationTimestamp: metav1.NewTime(time.Now().Add(-age))}}
	}
	ours := map[string]string{managedLabel: managedName}
	c := newCluster(node("w1", "workers", nil), old("killed", 25*time.Hour, ours), old("running", time.Hour, ours), old("theirs", 99*time.Hour, nil))
	o := options()
	o.Works = []string{"cpu"}
	if _, err := Measure(t.Context(), c, o); err != nil {
		t.Fatal(err)
	}
	if left := c.namespaces(t); fmt.Sprint(left) != "[running theirs]" {
		t.Errorf("namespaces: %v", left)
	}
}

func TestMeasureWithoutNodes(t *testing.T) {
	c := newCluster(node("m1", "masters", map[string]string{controlPlane: ""}))
	if _, err := Measure(t.Context(), c, options()); err == nil || len(c.namespaces(t)) > 0 {
		t.Errorf("error %v", err)
	}
}

func TestShare(t *testing.T) {
	row := func(group, work string, metal bool, median float64) Row {
		return Row{Group: group, Metal: metal, Figure: Figure{Work: work, Samples: []float64{median}}}
	}
	for _, tc := range []struct {
		name string
		rows []Row
		want []float64
	}{
		{"bare metal counts, not the best", []Row{row("vm", "cpu", false, 120), row("bm", "cpu", true, 100), row("slow", "cpu", true, 50)}, []float64{1.2, 1, 0.5}},
		{"the best, without bare metal", []Row{row("a", "cpu", false, 96), row("b", "cpu", false, 100)}, []float64{0.96, 1}},
		{"each work by itself", []Row{row("a", "cpu", false, 1), row("a", "disk", false, 4), row("b", "disk", true, 8)}, []float64{1, 0.5, 1}},
		{"what failed has none", []Row{{Figure: Figure{Work: "cpu"}, Err: context.Canceled}}, []float64{0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			share(tc.rows)
			for i, r := range tc.rows {
				if r.Share != tc.want[i] {
					t.Errorf("%s: %v, want %v", r.Group, r.Share, tc.want[i])
				}
			}
		})
	}
}
