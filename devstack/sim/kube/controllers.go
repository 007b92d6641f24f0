package kube

import (
	"errors"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// uninitialized taints nodes whose kubelet was told of a cloud provider, until that has found them.
const uninitialized = "node.cloudprovider.kubernetes.io/uninitialized"

// cloudManager is the workload that initializes nodes.
const cloudManager = "openstack-cloud-controller-manager"

// control does what controllers do within a moment about an object that was written, and gives it as it is then: the pods
// of workloads run, without being there as objects, unless their images are of a registry that cannot exist.
func (c *cluster) control(t *transaction, k *kind, stored object) object {
	status, runs := c.rolledOut(t, k, stored)
	if status == nil {
		return stored
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(status)
	if err != nil {
		return stored // which has no status then
	}
	after := stored.DeepCopy()
	after.Object["status"] = content
	stored = t.put(k, stored, after)
	if k.Kind == "DaemonSet" && stored.GetName() == cloudManager && runs && !t.dryRun {
		c.initializeNodes(t)
	}
	return stored
}

// rolledOut is the status of a workload; nil for other objects.
func (c *cluster) rolledOut(t *transaction, k *kind, o object) (status any, runs bool) {
	switch k.Kind {
	case "Deployment", "StatefulSet":
		var d appsv1.Deployment // whose fields are as those of the other
		if runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &d) != nil {
			return nil, false
		}
		wanted := int32(1)
		if d.Spec.Replicas != nil {
			wanted = *d.Spec.Replicas
		}
		running := wanted
		if runs = pulled(&d.Spec.Template.Spec); !runs {
			running = 0
		}
		if k.Kind == "StatefulSet" {
			return &appsv1.StatefulSetStatus{ObservedGeneration: d.Generation, Replicas: wanted, UpdatedReplicas: wanted, ReadyReplicas: running, AvailableReplicas: running}, runs
		}
		return &appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: wanted, UpdatedReplicas: wanted, ReadyReplicas: running, AvailableReplicas: running, UnavailableReplicas: wanted - running}, runs
	case "DaemonSet":
		var d appsv1.DaemonSet
		if runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &d) != nil {
			return nil, false
		}
		var wanted int32
		for _, node := range t.list(c.schema.kind("Node"), "") {
			if labels.SelectorFromSet(d.Spec.Template.Spec.NodeSelector).Matches(labels.Set(node.GetLabels())) {
				wanted++
			}
		}
		running := wanted
		if runs = pulled(&d.Spec.Template.Spec); !runs {
			running = 0
		}
		return &appsv1.DaemonSetStatus{ObservedGeneration: d.Generation, DesiredNumberScheduled: wanted, CurrentNumberScheduled: wanted, UpdatedNumberScheduled: wanted,
			NumberReady: running, NumberAvailable: running, NumberUnavailable: wanted - running}, runs
	}
	return nil, false
}

// pulled tells whether all images of a pod can be had: the domain «invalid» is reserved for names that never resolve.
func pulled(pod *corev1.PodSpec) bool {
	for _, container := range append(append([]corev1.Container{}, pod.InitContainers...), pod.Containers...) {
		registry, _, _ := strings.Cut(container.Image, "/")
		if within(registry, "invalid") {
			return false
		}
	}
	return true
}

// initializeNodes is the cloud controller manager: nodes are told which servers they are.
func (c *cluster) initializeNodes(t *transaction) {
	for _, o := range t.list(c.schema.kind("Node"), "") {
		if node, err := toNode(o); err == nil && initialize(node) {
			_ = c.putNode(t, o, node) // it was one a moment ago
		}
	}
}

func initialize(node *corev1.Node) (changed bool) {
	var taints []corev1.Taint
	for _, taint := range node.Spec.Taints {
		if taint.Key != uninitialized {
			taints = append(taints, taint)
		}
	}
	if len(taints) == len(node.Spec.Taints) || node.Spec.ProviderID != "" && !strings.HasPrefix(node.Spec.ProviderID, "openstack://") {
		return false // there is nothing to do, or it is no server
	}
	node.Spec.Taints = taints
	if node.Spec.ProviderID == "" {
		node.Spec.ProviderID = "openstack:///" + nodeHost(node)
	}
	return true
}

// manages tells whether a cloud controller manager runs.
func (c *cluster) manages(t *transaction) bool {
	k := c.schema.kind("DaemonSet")
	o, there := t.get(k, systemNamespace, cloudManager)
	if !there {
		return false
	}
	_, runs := c.rolledOut(t, k, o)
	return runs
}

// immutable says what of an object was changed that cannot be.
func immutable(k *kind, before, after object) error {
	if k.Kind != "StorageClass" {
		return nil
	}
	for _, field := range []string{"provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"} {
		if !reflect.DeepEqual(before.Object[field], after.Object[field]) {
			return errUnprocessable(errors.New(field + ": Forbidden: updates to " + field + " are forbidden."))
		}
	}
	return nil
}
