package overhead

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Labels of nodes that say what they are.
type Labels struct {
	Group   string // name of the node group
	Runtime string // RuntimeClass of the pods that come there; without it the usual one
	Metal   string // KEY or KEY=VALUE of nodes that are bare metal
}

// group is a node group with the node that is measured and, for the network, the one that it talks to.
type group struct {
	name, runtime string
	metal         bool
	node, peer    string // peer "": there is no second node
}

// controlPlane nodes have other things to do.
const controlPlane = "node-role.kubernetes.io/control-plane"

// groupsOf the nodes that work can be done on.
func groupsOf(nodes []corev1.Node, l Labels) []group {
	byName := map[string]*group{}
	slices.SortFunc(nodes, func(a, b corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	for i := range nodes {
		n := &nodes[i]
		_, controls := n.Labels[controlPlane]
		name := n.Labels[l.Group]
		if controls || name == "" || n.Spec.Unschedulable || !ready(n) {
			continue
		}
		g := byName[name]
		if g == nil {
			byName[name] = &group{name: name, runtime: n.Labels[l.Runtime], metal: l.isMetal(n), node: n.Name}
		} else if g.peer == "" {
			g.peer = n.Name
		}
	}
	out := make([]group, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, *byName[name])
	}
	return out
}

func (l Labels) isMetal(n *corev1.Node) bool {
	key, value, exact := strings.Cut(l.Metal, "=")
	have, found := n.Labels[key]
	return found && (!exact || have == value)
}

func ready(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
