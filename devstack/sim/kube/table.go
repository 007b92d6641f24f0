package kube

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
)

// column is a column of a Table and its cell of an object.
type column struct {
	name string
	wide bool // shown on demand only
	cell func(object) any
}

// tableOf is what kubectl prints.
func (s *server) tableOf(q *query, objects []object, meta metav1.ListMeta) *metav1.Table {
	columns := s.columns(q.kind)
	table := &metav1.Table{
		TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "Table"},
		ListMeta: meta, Rows: make([]metav1.TableRow, 0, len(objects)),
	}
	for _, c := range columns {
		definition := metav1.TableColumnDefinition{Name: c.name, Type: "string"}
		if c.name == "Name" {
			definition.Format = "name"
		}
		if c.wide {
			definition.Priority = 1
		}
		table.ColumnDefinitions = append(table.ColumnDefinitions, definition)
	}
	for _, o := range objects {
		row := metav1.TableRow{Cells: make([]any, 0, len(columns))}
		for _, c := range columns {
			row.Cells = append(row.Cells, c.cell(o))
		}
		switch metav1.IncludeObjectPolicy(q.include) {
		case metav1.IncludeNone:
		case metav1.IncludeObject:
			row.Object = runtime.RawExtension{Object: o}
		default:
			partial := o.DeepCopy()
			partial.Object = map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": partial.Object["metadata"]}
			row.Object = runtime.RawExtension{Object: partial}
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

func (s *server) columns(k *kind) []column {
	name := column{name: "Name", cell: func(o object) any { return o.GetName() }}
	age := column{name: "Age", cell: func(o object) any { return s.age(o.GetCreationTimestamp().Time) }}
	switch k.Kind {
	case "Node":
		return []column{
			name, {name: "Status", cell: nodeCell(nodeStatus)}, {name: "Roles", cell: nodeCell(nodeRoles)}, age,
			{name: "Version", cell: nodeCell(func(n *corev1.Node) string { return n.Status.NodeInfo.KubeletVersion })},
			{name: "Internal-IP", wide: true, cell: nodeCell(func(n *corev1.Node) string { return nodeAddress(n, corev1.NodeInternalIP) })},
			{name: "External-IP", wide: true, cell: nodeCell(func(n *corev1.Node) string { return nodeAddress(n, corev1.NodeExternalIP) })},
			{name: "OS-Image", wide: true, cell: nodeCell(func(n *corev1.Node) string { return n.Status.NodeInfo.OSImage })},
			{name: "Kernel-Version", wide: true, cell: nodeCell(func(n *corev1.Node) string { return n.Status.NodeInfo.KernelVersion })},
			{name: "Container-Runtime", wide: true, cell: nodeCell(func(n *corev1.Node) string { return n.Status.NodeInfo.ContainerRuntimeVersion })},
		}
	case "Namespace", "Pod":
		return []column{name, {name: "Status", cell: func(o object) any { return fieldsOf{o}.Get("status.phase") }}, age}
	default:
		return []column{name, age}
	}
}

func (s *server) age(since time.Time) string {
	if since.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(s.cluster.clock.Now().Sub(since))
}

func nodeCell(cell func(*corev1.Node) string) func(object) any {
	return func(o object) any {
		node, err := toNode(o)
		if err != nil {
			return fmt.Sprintf("<%v>", err)
		}
		return cell(node)
	}
}

func nodeStatus(node *corev1.Node) string {
	status := "Unknown"
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			status = "NotReady"
		}
	}
	if nodeIsReady(node) {
		status = "Ready"
	}
	if node.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	return status
}

func nodeRoles(node *corev1.Node) string {
	var roles []string
	for label := range node.Labels {
		if role, found := strings.CutPrefix(label, "node-role.kubernetes.io/"); found && role != "" {
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 {
		return "<none>"
	}
	slices.Sort(roles)
	return strings.Join(roles, ",")
}

func nodeAddress(node *corev1.Node, kind corev1.NodeAddressType) string {
	for _, address := range node.Status.Addresses {
		if address.Type == kind {
			return address.Address
		}
	}
	return "<none>"
}
