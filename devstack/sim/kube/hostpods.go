package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// runsOnHost tells a pod that runs a program of its host in the host's namespaces: the only containers that are simulated.
func runsOnHost(pod *corev1.Pod) bool {
	return pod.Spec.HostPID && len(pod.Spec.Containers) == 1 && len(pod.Spec.Containers[0].Command) > 0 && pod.Spec.Containers[0].Command[0] == "/usr/bin/nsenter"
}

// bind tells a node's kubelet of a pod. It waits for nothing.
func (c *cluster) bind(node string) {
	bound, there := c.bounds.Load(node)
	if !there {
		return
	}
	select {
	case bound.(chan struct{}) <- struct{}{}: //nolint:errcheck,forcetypeassert // nothing else is stored there
	default:
	}
}

// runPods runs the pods that run on their host, each once, until the host is switched off.
func (n *Node) runPods(ctx context.Context, m *machine) {
	begun := map[string]bool{} // by uid
	for {
		for _, pod := range m.cluster.hostPods(m.name()) {
			switch id := string(pod.UID); {
			case begun[id]:
			case pod.Status.Phase == corev1.PodPending:
				begun[id] = true
				n.spawn(func(ctx context.Context) { n.runPod(ctx, m, pod) })
			case pod.Status.Phase == corev1.PodRunning: // the power was cut
				begun[id] = true
				n.spawn(func(ctx context.Context) {
					n.report(ctx, m, pod, failed("ContainerStatusUnknown", "The container could not be located when the pod was terminated", 137))
				})
			}
		}
		select {
		case <-m.bound:
		case <-ctx.Done():
			return
		}
	}
}

func (c *cluster) hostPods(node string) []*corev1.Pod {
	var out []*corev1.Pod
	_ = c.store.do(func(t *transaction) error {
		for _, o := range t.list(c.schema.kind("Pod"), "") {
			if name, _, _ := unstructured.NestedString(o.Object, "spec", "nodeName"); name != node {
				continue
			}
			var pod corev1.Pod
			if runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &pod) == nil && runsOnHost(&pod) {
				out = append(out, &pod)
			}
		}
		return nil
	})
	return out
}

func failed(reason, message string, code int32) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{{Name: "host",
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, Message: message, ExitCode: code}}}}}
}

// runPod is the life of one pod.
func (n *Node) runPod(ctx context.Context, m *machine, pod *corev1.Pod) {
	if err := m.cluster.writeOut(); err != nil {
		n.say("kubelet: " + err.Error())
		return
	}
	if n.clock.Sleep(ctx, podLatency) != nil {
		return
	}
	c := pod.Spec.Containers[0]
	script, problem := hostScript(pod)
	env, missing := hostEnv(pod)
	files, mounted := m.cluster.mountSecrets(m, pod)
	switch {
	case problem != "":
		n.report(ctx, m, pod, failed("StartError", problem, 128))
		return
	case missing != "":
		n.report(ctx, m, pod, failed("CreateContainerConfigError", missing, 128))
		return
	case !mounted: // the kubelet waits for the Secret, up to the pod's deadline
		n.report(ctx, m, pod, corev1.PodStatus{Phase: corev1.PodFailed, Reason: "DeadlineExceeded", Message: "Pod was active on the node longer than the specified deadline"})
		return
	}
	n.report(ctx, m, pod, corev1.PodStatus{Phase: corev1.PodRunning})
	n.say("kubelet: Started container " + c.Name + " of pod " + pod.Name)
	late, end := n.deadline(ctx, pod)
	status, output := n.runScript(late, m, script, env)
	over := late.Err() != nil
	end()
	for _, name := range files {
		m.drive.remove(name)
	}
	switch {
	case ctx.Err() != nil:
		return // the power was cut
	case over:
		n.report(ctx, m, pod, corev1.PodStatus{Phase: corev1.PodFailed, Reason: "DeadlineExceeded", Message: "Pod was active on the node longer than the specified deadline"})
	case status != 0:
		n.say(fmt.Sprintf("pod %s: exit status %d: %s", pod.Name, status, lastBytes(output)))
		n.report(ctx, m, pod, failed("Error", lastBytes(output), int32(status))) //nolint:gosec // an exit status
	default:
		n.report(ctx, m, pod, corev1.PodStatus{Phase: corev1.PodSucceeded})
	}
}

// deadline ends a script by its pod's activeDeadlineSeconds, in the clock's time.
func (n *Node) deadline(ctx context.Context, pod *corev1.Pod) (context.Context, func()) {
	late, cancel := context.WithCancel(ctx)
	if pod.Spec.ActiveDeadlineSeconds != nil {
		n.spawn(func(context.Context) {
			if n.clock.Sleep(late, time.Duration(*pod.Spec.ActiveDeadlineSeconds)*time.Second) == nil {
				cancel()
			}
		})
	}
	return late, cancel
}

// lastBytes is what a kubelet takes from a container's log for its termination message.
func lastBytes(output string) string {
	const limit = 2048
	return output[max(len(output)-limit, 0):]
}

// hostScript is what the shell runs. Whatever nsenter and the shell need comes from the host's folders.
func hostScript(pod *corev1.Pod) (script, problem string) {
	c := pod.Spec.Containers[0]
	paths := map[string]string{}
	for _, v := range pod.Spec.Volumes {
		if v.HostPath != nil {
			paths[v.Name] = v.HostPath.Path
		}
	}
	seen := map[string]bool{}
	for _, mount := range c.VolumeMounts {
		seen[mount.MountPath] = paths[mount.Name] == mount.MountPath
	}
	switch {
	case !seen["/usr"] || !seen["/lib"] || !seen["/lib64"]:
		return "", "exec: \"/usr/bin/nsenter\": stat /usr/bin/nsenter: no such file or directory"
	case c.SecurityContext == nil || c.SecurityContext.Privileged == nil || !*c.SecurityContext.Privileged:
		return "", "nsenter: cannot open /proc/1/ns/ipc: Permission denied"
	case len(c.Command) != 12 || strings.Join(c.Command[1:11], " ") != "-t 1 -m -u -i -n -p -- /bin/sh -c":
		return "", "this simulator knows no other way into a host than its own: " + strings.Join(c.Command[:min(11, len(c.Command))], " ")
	}
	return c.Command[11], ""
}

// hostEnv resolves the environment as the kubelet does.
func hostEnv(pod *corev1.Pod) (env []string, problem string) {
	known := map[string]string{}
	for _, e := range pod.Spec.Containers[0].Env {
		value := e.Value
		switch {
		case e.ValueFrom == nil:
			for name, known := range known {
				value = strings.ReplaceAll(value, "$("+name+")", known)
			}
		case e.ValueFrom.FieldRef != nil && e.ValueFrom.FieldRef.FieldPath == "metadata.uid":
			value = string(pod.UID)
		default:
			return nil, "the source of " + e.Name + " is not simulated"
		}
		known[e.Name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		env = append(env, name+"="+known[name])
	}
	return env, ""
}

// mountSecrets puts the files of a pod's Secrets where the kubelet does.
func (c *cluster) mountSecrets(m *machine, pod *corev1.Pod) (files []string, ok bool) {
	for _, v := range pod.Spec.Volumes {
		if v.Secret == nil {
			continue
		}
		var secret corev1.Secret
		err := c.store.do(func(t *transaction) error {
			o, err := t.find(c.schema.kind("Secret"), pod.Namespace, v.Secret.SecretName)
			if err != nil {
				return err
			}
			return runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &secret)
		})
		if err != nil {
			return nil, false
		}
		for name, content := range secret.Data {
			file := "/var/lib/kubelet/pods/" + string(pod.UID) + "/volumes/kubernetes.io~secret/" + v.Name + "/" + name
			m.drive.write(file, content, 0o400)
			files = append(files, file)
		}
	}
	return files, true
}

// report writes a pod's status, once the API hears of the kubelet again, and as long as the pod is there.
func (n *Node) report(ctx context.Context, m *machine, pod *corev1.Pod, status corev1.PodStatus) {
	c, k := m.cluster, m.cluster.schema.kind("Pod")
	_ = n.retry(ctx, "kubelet: unable to update pod status", 0, true, func(context.Context) error {
		if err := c.available(); err != nil {
			return err
		}
		m.mu.Lock()
		up := m.kubelet.up
		m.mu.Unlock()
		if !up {
			return fmt.Errorf("the API server refuses the kubelet of %s", m.name())
		}
		return c.store.do(func(t *transaction) error {
			before, there := t.get(k, pod.Namespace, pod.Name)
			if !there || before.GetUID() != pod.UID {
				return nil
			}
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&status)
			if err != nil {
				return err
			}
			after := before.DeepCopy()
			after.Object["status"] = content
			t.put(k, before, after)
			return nil
		})
	})
}

// staticPod is how the API shows a component of a control plane.
func staticPod(node, component string) *corev1.Pod {
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: component + "-" + node, Labels: map[string]string{"component": component, "tier": "control-plane"},
			Annotations: map[string]string{corev1.MirrorPodAnnotationKey: component}},
		Spec: corev1.PodSpec{NodeName: node, HostNetwork: true, PriorityClassName: "system-node-critical", Containers: []corev1.Container{{Name: component}}},
	}
}

// showStaticPod makes a component's pod anew when it starts, and says that it is not ready when it has stopped.
func (c *cluster) showStaticPod(m *machine, component string, runs bool) error {
	pod := staticPod(m.name(), component)
	pod.Spec.Containers[0].Image = m.image(component)
	if content, err := m.drive.read(manifestFolder + "/" + component + ".yaml"); err == nil {
		var manifest corev1.Pod
		if err := decodeStrict(content, &manifest); err != nil {
			return fmt.Errorf("could not process manifest of %s: %w", component, err)
		}
		pod.Labels, pod.Spec.Containers = manifest.Labels, manifest.Spec.Containers
	}
	ready := corev1.ConditionFalse
	if runs {
		ready = corev1.ConditionTrue
	}
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}}
	k := c.schema.kind("Pod")
	after, err := toUnstructured(pod, k)
	if err != nil {
		return err
	}
	return c.store.do(func(t *transaction) error {
		before, there := t.get(k, pod.Namespace, pod.Name)
		if there && runs {
			t.remove(k, before)
			before = nil
		}
		if there || runs {
			t.put(k, before, after)
		}
		return nil
	})
}
