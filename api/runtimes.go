package api

import (
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// runtimeLabel of a node group, or of a cluster for its default workers, says what their containers run in.
const runtimeLabel = "runtime"

// runtime of a node group's containers; "" is the usual one.
func (l *labels) runtime() string {
	r := l.choice(runtimeLabel, ops.RuntimeRunc, ops.Runtimes()...)
	if r == ops.RuntimeRunc || !slices.Contains(ops.Runtimes(), r) {
		return ""
	}
	return r
}

// imageRuns refuses an image that does not say that it has a runtime.
func imageRuns(image cloud.ImageInfo, runtime string) error {
	const property = cloud.RuntimesProperty
	has := image.Runtimes()
	switch {
	case runtime == "" || slices.Contains(has, runtime):
		return nil
	case len(has) == 0:
		return badRequest("Label %s: image %s does not say that it has the container runtime %s. If it has, set its property %s, to runc,%s for one.", runtimeLabel, image.Name, runtime, property, runtime)
	}
	return badRequest("Label %s: image %s has no container runtime %s; its property %s names %s.", runtimeLabel, image.Name, runtime, property, strings.Join(has, ", "))
}

// hostRuns refuses a runtime that the hosts cannot have. Each list has traits that a host is sure to have, whatever they are
// known by: what a flavor or an image requires, or what a bare-metal node itself has. Kata's pods are virtual machines;
// gVisor's need nothing of the hardware.
func hostRuns(what, runtime string, traits ...[]string) error {
	virtualization := []string{"HW_CPU_X86_VMX", "HW_CPU_X86_SVM"} // Intel's and AMD's
	if runtime != ops.RuntimeKata {
		return nil
	}
	for _, t := range slices.Concat(traits...) {
		if slices.Contains(virtualization, t) {
			return nil
		}
	}
	return badRequest("%s: runtime %s needs hosts with hardware virtualization, which it does not require. Its extra specs need trait:%s=required, or the image's properties do.", what, runtime, strings.Join(virtualization, "=required or trait:"))
}

// requiredTraits of a flavor's extra specs or an image's properties. Numbered groups of traits count as the plain one does.
func requiredTraits(properties map[string]string) []string {
	var out []string
	for key, value := range properties {
		group, name, found := strings.Cut(key, ":")
		if found && strings.HasPrefix(group, "trait") && value == "required" {
			out = append(out, name)
		}
	}
	return out
}

// keepsRuntimes refuses to lead node groups to an image that does not have the runtimes of their containers.
func keepsRuntimes(groups []*db.NodeGroup, image cloud.ImageInfo) error {
	if g := ops.WithoutRuntime(groups, image.Runtimes()); g != nil {
		return badRequest("Node group %s runs its containers in %s, which image %s does not name in its property %s.", g.Name, ops.SandboxOf(g), image.Name, cloud.RuntimesProperty)
	}
	return nil
}
