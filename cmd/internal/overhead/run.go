package overhead

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/kubernetes"
)

// Options of a measurement.
type Options struct {
	Image      string // of a container that has Program
	Program    string // path in it
	Works      []string
	Samples    int
	SampleTime time.Duration
	Timeout    time.Duration // of one piece of work, the pull of the image included
	Labels     Labels
	// Progress is told what begins.
	Progress func(what string)
	// Poll is how long to wait between two looks at a pod.
	Poll time.Duration
}

// cleanTime is how long cleaning up may take, also when everything else was given up.
const cleanTime = 30 * time.Second

// run is one measurement.
type run struct {
	c         kubernetes.Interface
	o         Options
	namespace string
}

// Measure does each kind of work on a node of each group, one after the other, so that none is in another's way. What it
// makes is in one namespace, and goes with that at the end, also when ctx ends before. A work that fails is told in its row.
func Measure(ctx context.Context, c kubernetes.Interface, o Options) (rows []Row, err error) {
	nodes, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the nodes: %w", err)
	}
	groups := groupsOf(nodes.Items, o.Labels)
	if len(groups) == 0 {
		return nil, errors.New("no node group has a node that is ready and takes pods; control planes do not count")
	}
	r := &run{c: c, o: o}
	if err := r.sweep(ctx); err != nil {
		return nil, err
	}
	r.namespace = managedName + "-" + rand.String(5)
	defer func() { // also when the answer to its making was lost
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		if e := r.remove(clean, r.namespace); e != nil {
			err = errors.Join(err, fmt.Errorf("namespace %s is left behind: %w", r.namespace, e))
		}
	}()
	labels := map[string]string{managedLabel: managedName, "pod-security.kubernetes.io/enforce": "restricted"}
	if _, err := c.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.namespace, Labels: labels}}, metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("make a namespace: %w", err)
	}
	for i, g := range groups {
		for _, work := range o.Works {
			o.Progress(work + " on " + g.node + " of " + g.name)
			figures, err := r.measure(ctx, i, g, work)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				figures = []Figure{{Work: work}}
			}
			for _, f := range figures {
				rows = append(rows, Row{Group: g.name, Node: g.node, Runtime: g.runtime, Metal: g.metal, Figure: f, Err: err})
			}
		}
	}
	share(rows)
	return rows, nil
}

// sweep removes what earlier measurements left that were killed. One that may still be under way is left alone.
func (r *run) sweep(ctx context.Context) error {
	l, err := r.c.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: managedLabel + "=" + managedName})
	if err != nil {
		return fmt.Errorf("list the namespaces: %w", err)
	}
	for _, n := range l.Items {
		if time.Since(n.CreationTimestamp.Time) > 24*time.Hour {
			if err := r.remove(ctx, n.Name); err != nil {
				return fmt.Errorf("remove namespace %s of an earlier measurement: %w", n.Name, err)
			}
		}
	}
	return nil
}

func (r *run) remove(ctx context.Context, namespace string) error {
	now := metav1.DeletePropagationForeground
	err := r.c.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{PropagationPolicy: &now})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// measure one kind of work on one group.
func (r *run) measure(ctx context.Context, index int, g group, work string) ([]Figure, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.o.Timeout, fmt.Errorf("not done after %s", r.o.Timeout))
	defer cancel()
	args := r.arguments(work)
	if work == "network" {
		if g.peer == "" {
			return nil, errors.New("the network is measured between two nodes of a group, and this one has one that is ready")
		}
		name := jobName(index, "server")
		if err := r.start(ctx, r.job(name, g, g.peer, r.arguments(work, "--listen", ":"+strconv.Itoa(port))...)); err != nil {
			return nil, err
		}
		server, err := r.await(ctx, name, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning && p.Status.PodIP != "" })
		if err != nil {
			return nil, fmt.Errorf("the other side of the network: %w", err)
		}
		defer r.stop(ctx, name)
		args = append(args, "--connect", net.JoinHostPort(server.Status.PodIP, strconv.Itoa(port)))
	}
	name := jobName(index, work)
	if err := r.start(ctx, r.job(name, g, g.node, args...)); err != nil {
		return nil, err
	}
	pod, err := r.await(ctx, name, func(p *corev1.Pod) bool { return ended(p) != nil })
	if err != nil {
		return nil, err
	}
	end := ended(pod)
	if end.ExitCode != 0 {
		return nil, fmt.Errorf("it ended with %d: %s", end.ExitCode, strings.TrimSpace(end.Message))
	}
	var figures []Figure
	if err := json.Unmarshal([]byte(end.Message), &figures); err != nil || len(figures) == 0 {
		return nil, fmt.Errorf("it left no figures but %.100q", end.Message)
	}
	return figures, nil
}

func (r *run) start(ctx context.Context, j *batchv1.Job) error {
	if _, err := r.c.BatchV1().Jobs(r.namespace).Create(ctx, j, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("make Job %s: %w", j.Name, err)
	}
	return nil
}

// stop deletes a Job early: its pod would be in the way of the next. What it leaves the namespace takes along.
func (r *run) stop(ctx context.Context, name string) {
	with := metav1.DeletePropagationBackground
	_ = r.c.BatchV1().Jobs(r.namespace).Delete(context.WithoutCancel(ctx), name, metav1.DeleteOptions{PropagationPolicy: &with})
}

// await looks at the pod of a Job until it is as wanted, or never will be.
func (r *run) await(ctx context.Context, job string, is func(*corev1.Pod) bool) (*corev1.Pod, error) {
	tick := time.NewTicker(r.o.Poll)
	defer tick.Stop()
	last := "there is no pod yet"
	for {
		l, err := r.c.CoreV1().Pods(r.namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
		switch {
		case err != nil && ctx.Err() == nil:
			last = err.Error()
		case err == nil && len(l.Items) > 0:
			p := &l.Items[0]
			if is(p) {
				return p, nil
			}
			if p.Status.Phase == corev1.PodFailed {
				return nil, fmt.Errorf("the pod failed: %s", waiting(p))
			}
			last = waiting(p)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %s", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

// ended is how the work of a pod ended; nil while it did not.
func ended(p *corev1.Pod) *corev1.ContainerStateTerminated {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == container {
			return s.State.Terminated
		}
	}
	return nil
}

// waiting says what a pod waits for, or why it failed.
func waiting(p *corev1.Pod) string {
	for _, s := range p.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil && w.Reason != "" {
			return w.Reason + ": " + w.Message
		}
		if t := s.State.Terminated; t != nil {
			return fmt.Sprintf("it ended with %d: %s", t.ExitCode, strings.TrimSpace(t.Message))
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Status == corev1.ConditionFalse && c.Message != "" {
			return c.Message
		}
	}
	return strings.TrimSpace("the pod is " + string(p.Status.Phase) + " " + p.Status.Message)
}
