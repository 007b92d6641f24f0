package ops

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// Runtimes that the containers of a node group can have. Those beside the first put a wall of their own around each pod.
const (
	RuntimeRunc   = "runc"
	RuntimeKata   = "kata"
	RuntimeGVisor = "gvisor"
)

// Runtimes are the words for them.
func Runtimes() []string { return []string{RuntimeRunc, RuntimeKata, RuntimeGVisor} }

// RuntimeLabel has the runtime on nodes whose pods are walled in, as a label and as the key of a taint: only pods of the
// RuntimeClass of that name come there.
const RuntimeLabel = "jeroboam.cloud/runtime"

// RuntimeTaint of the nodes of a runtime.
func RuntimeTaint(runtime string) db.Taint {
	return db.Taint{Key: RuntimeLabel, Value: runtime, Effect: "NoSchedule"}
}

// SandboxOf gives the runtime of a node group's pods where it is not the usual one: "" otherwise, as of the control plane.
func SandboxOf(g *db.NodeGroup) string {
	var spec GroupSpec
	if g.Role == db.RoleMaster || json.Unmarshal(g.Spec, &spec) != nil {
		return ""
	}
	return spec.Runtime
}

// WithoutRuntime gives the first of the groups whose runtime is not among these, which an image has; nil when all are.
func WithoutRuntime(groups []*db.NodeGroup, has []string) *db.NodeGroup {
	for _, g := range groups {
		if runtime := SandboxOf(g); runtime != "" && !slices.Contains(has, runtime) {
			return g
		}
	}
	return nil
}

// Dress gives the labels and taints that a node group's nodes are to have: its user's, and ours.
func Dress(g *db.NodeGroup) (map[string]string, []db.Taint) {
	labels, taints := map[string]string{NodeGroupLabel: g.Name}, slices.Clone(g.NodeTaints)
	maps.Copy(labels, g.NodeLabels)
	if runtime := SandboxOf(g); runtime != "" {
		labels[RuntimeLabel] = runtime
		taints = append(taints, RuntimeTaint(runtime))
	}
	return labels, taints
}
