package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	commandNamespace = metav1.NamespaceSystem
	// commandLabel has the Run of every pod and Secret of a host command.
	commandLabel = "jeroboam.cloud/host-command"
	filesVolume  = "files"
	// commandDeadline of a script when nothing else is said.
	commandDeadline = 10 * time.Minute
	// maxOutput of a failed script that is told on.
	maxOutput = 1000
)

// HostCommand is a shell script that runs once on the host of a node, as root, outside of all containers.
type HostCommand struct {
	Run    string // what it is part of, such as an operation's id: a DNS label
	Name   string // unique within the run and node: a DNS label
	Node   string
	Script string
	// Env are the script's parameters. They stand in the pod, so they are no place for secrets.
	Env map[string]string
	// Files are secrets by name, which are there in the folder $FILES while the script runs. They reach the host in a Secret
	// that only its node may read, and that is gone when the script has ended.
	Files map[string][]byte
	// Deadline of the script from its start; 0: 10 minutes.
	Deadline time.Duration
}

// Format keeps the files out of logs, whatever the verb.
func (h HostCommand) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "kube.HostCommand("+h.podName()+")")
}

func (h HostCommand) podName() string { return "jeroboam-" + h.Run + "-" + h.Name + "-" + h.Node }

// HostCommandError says that a script ended in failure, with the end of what it wrote. It is not run again under its name.
type HostCommandError struct {
	Command string
	Node    string
	Output  string
}

func (e *HostCommandError) Error() string {
	return fmt.Sprintf("%s on %s failed: %s", e.Command, e.Node, e.Output)
}

// RunOnHost has a script run on a host, and tells whether it has ended well. It is called again until it has: the first
// call makes a pod for it, later ones look. waiting says in what state it is meanwhile. It is run once, unless its pod never
// got as far as to start it, as when the host was shut down: then another pod is made. *HostCommandError ends it.
//
// The pod needs no scheduler, no network of pods and no room on its node. It runs the host's own shell, and its image is
// one that the node has, since only the name of one is wanted.
func (c *Client) RunOnHost(ctx context.Context, h HostCommand) (done bool, waiting string, err error) {
	pod, err := c.commandPod(ctx, h)
	if errors.Is(err, ErrNotFound) {
		return false, "its pod to be started", c.startCommand(ctx, h)
	}
	if err != nil {
		return false, "", err
	}
	switch {
	case pod.DeletionTimestamp != nil:
		return false, "an earlier pod to go", nil
	case pod.Status.Phase == corev1.PodSucceeded:
		return true, "", c.delete(ctx, secretResource(), h.podName(), "")
	case pod.Status.Phase == corev1.PodFailed:
		return c.failedCommand(ctx, h, pod)
	}
	return false, commandState(pod), nil
}

// failedCommand tells a script that failed from a pod that never started it.
func (c *Client) failedCommand(ctx context.Context, h HostCommand, pod *corev1.Pod) (bool, string, error) {
	state := terminated(pod)
	if state == nil && pod.Status.Reason != "DeadlineExceeded" {
		return false, "another pod, since one was refused: " + pod.Status.Reason, c.delete(ctx, podResource(), pod.Name, string(pod.UID))
	}
	if err := c.delete(ctx, secretResource(), h.podName(), ""); err != nil {
		return false, "", err
	}
	output := strings.TrimSpace(pod.Status.Message)
	if state != nil {
		output = strings.TrimSpace(state.Message)
		if output == "" {
			output = fmt.Sprintf("%s, exit status %d", state.Reason, state.ExitCode)
		}
	}
	if len(output) > maxOutput {
		output = "… " + output[len(output)-maxOutput:]
	}
	return false, "", &HostCommandError{Command: h.Name, Node: h.Node, Output: output}
}

func terminated(pod *corev1.Pod) *corev1.ContainerStateTerminated {
	for _, s := range pod.Status.ContainerStatuses {
		if s.State.Terminated != nil {
			return s.State.Terminated
		}
	}
	return nil
}

func commandState(pod *corev1.Pod) string {
	for _, s := range pod.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil && w.Reason != "" {
			return strings.TrimSuffix("its pod to run, "+w.Reason+": "+w.Message, ": ")
		}
	}
	if pod.Status.Phase == corev1.PodRunning {
		return "its end"
	}
	return "the kubelet to start its pod"
}

// ForgetHostCommands takes away what host commands have left: those of one run, or of all with "". A script that still runs
// is ended.
func (c *Client) ForgetHostCommands(ctx context.Context, run string) error {
	return c.forget(ctx, run, podResource(), secretResource())
}

// ForgetHostFiles takes away the Secrets of one run alone: scripts that run go on with what they have.
func (c *Client) ForgetHostFiles(ctx context.Context, run string) error {
	return c.forget(ctx, run, secretResource())
}

func (c *Client) forget(ctx context.Context, run string, resources ...schema.GroupVersionResource) error {
	selector := commandLabel
	if run != "" {
		selector += "=" + run
	}
	for _, resource := range resources {
		list, err := c.selected(ctx, resource, selector)
		if err != nil {
			return err
		}
		for _, u := range list {
			if err := c.delete(ctx, resource, u.GetName(), string(u.GetUID())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Client) selected(ctx context.Context, resource schema.GroupVersionResource, selector string) ([]unstructured.Unstructured, error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	list, err := c.dynamic.Resource(resource).Namespace(commandNamespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, wrap(ctx, err, "list %s of host commands", resource.Resource)
	}
	return list.Items, nil
}

func (c *Client) commandPod(ctx context.Context, h HostCommand) (*corev1.Pod, error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	u, err := c.dynamic.Resource(podResource()).Namespace(commandNamespace).Get(ctx, h.podName(), metav1.GetOptions{})
	if err != nil {
		return nil, wrap(ctx, err, "look for host command %s", h.podName())
	}
	return typed[corev1.Pod](u)
}

// startCommand makes the Secret, then the pod that mounts it. Either may be there from an earlier call.
func (c *Client) startCommand(ctx context.Context, h HostCommand) error {
	node, err := c.node(ctx, h.Node)
	if err != nil {
		return err
	}
	if len(h.Files) > 0 {
		// One that a call left which died before its pod has, perhaps, the files of before.
		if err := c.delete(ctx, secretResource(), h.podName(), ""); err != nil {
			return err
		}
		secret := &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: h.meta(), Type: corev1.SecretTypeOpaque, Data: h.Files}
		if err := c.create(ctx, secretResource(), secret); err != nil {
			return err
		}
	}
	return c.create(ctx, podResource(), h.pod(node))
}

func (h HostCommand) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: commandNamespace, Name: h.podName(),
		Labels: map[string]string{commandLabel: h.Run, "app.kubernetes.io/managed-by": "jeroboam"}}
}

// pod runs the script by the host's own nsenter, in the namespaces of the host's first process.
func (h HostCommand) pod(node *corev1.Node) *corev1.Pod {
	deadline, privileged, no := h.Deadline, true, false
	if deadline == 0 {
		deadline = commandDeadline
	}
	seconds := int64(deadline / time.Second)
	p := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: h.meta(), Spec: corev1.PodSpec{
		NodeName: h.Node, RestartPolicy: corev1.RestartPolicyNever, HostPID: true, HostNetwork: true, ActiveDeadlineSeconds: &seconds,
		AutomountServiceAccountToken: &no, EnableServiceLinks: &no, PriorityClassName: "system-node-critical",
		Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		Containers: []corev1.Container{{
			Name: "host", Image: commandImage(node), ImagePullPolicy: corev1.PullIfNotPresent,
			Command:                  []string{"/usr/bin/nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-p", "--", "/bin/sh", "-c", h.Script},
			Env:                      h.env(),
			SecurityContext:          &corev1.SecurityContext{Privileged: &privileged},
			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		}},
	}}
	folders := hostFolders(node)
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		path := folders[name]
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name,
			VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}}})
		p.Spec.Containers[0].VolumeMounts = append(p.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path, ReadOnly: true})
	}
	if len(h.Files) > 0 {
		mode := int32(0o400)
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: filesVolume,
			VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: h.podName(), DefaultMode: &mode}}})
		p.Spec.Containers[0].VolumeMounts = append(p.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: filesVolume, MountPath: "/jeroboam", ReadOnly: true})
	}
	return p
}

// env are the parameters, and where the host sees the files: in the kubelet's folder of the pod's volumes.
func (h HostCommand) env() []corev1.EnvVar {
	env := []corev1.EnvVar{
		{Name: "POD_UID", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.uid"}}},
		{Name: "FILES", Value: "/var/lib/kubelet/pods/$(POD_UID)/volumes/kubernetes.io~secret/" + filesVolume},
		{Name: "PATH", Value: "/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		{Name: "LC_ALL", Value: "C"},
	}
	for _, name := range slices.Sorted(maps.Keys(h.Env)) {
		env = append(env, corev1.EnvVar{Name: name, Value: h.Env[name]})
	}
	return env
}

// hostFolders are what the host's nsenter needs: itself, its libraries, and the loader, which amd64 has in a folder of its own.
func hostFolders(node *corev1.Node) map[string]string {
	folders := map[string]string{"usr": "/usr", "lib": "/lib"}
	if node.Status.NodeInfo.Architecture == "amd64" {
		folders["lib64"] = "/lib64"
	}
	return folders
}

// commandImage is the pause image that the node runs every pod with: it has nothing in it that could stand in the way of
// the host's folders.
func commandImage(node *corev1.Node) string {
	for _, image := range node.Status.Images {
		for _, name := range image.Names {
			if path, _, _ := strings.Cut(name, "@"); strings.Contains(path, "/pause:") {
				return name
			}
		}
	}
	return "registry.k8s.io/pause:3.10"
}

func secretResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
}

// create makes an object of a host command; one that is there is left alone.
func (c *Client) create(ctx context.Context, resource schema.GroupVersionResource, typed metav1.Object) error {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return fmt.Errorf("encode %s: %w", typed.GetName(), err)
	}
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	_, err = c.dynamic.Resource(resource).Namespace(commandNamespace).Create(ctx, &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return wrap(ctx, err, "create %s of host command %s", resource.Resource, typed.GetName())
}

// delete takes an object of a host command away; with a uid only that very one. One that is gone is no error.
func (c *Client) delete(ctx context.Context, resource schema.GroupVersionResource, name, uid string) error {
	options := metav1.DeleteOptions{}
	if uid != "" {
		options.Preconditions = metav1.NewUIDPreconditions(uid)
	}
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	err := c.dynamic.Resource(resource).Namespace(commandNamespace).Delete(ctx, name, options)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return wrap(ctx, err, "delete %s %s", resource.Resource, name)
}
