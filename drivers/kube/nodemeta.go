package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// labelManager owns the labels that LabelNode sets, by the rules of server-side apply.
	labelManager = "jeroboam-node-labels"
	// taintAnnotation remembers which taints are ours. The list of taints has one owner in server-side apply, and that is
	// shared with the controllers that mark nodes as not ready, so ownership cannot be left to the API.
	taintAnnotation = "jeroboam-cloud.github.io/taints"
)

// LabelNode makes these the labels that we set on a node: missing and different ones are set, those that an earlier call
// set and that are no longer wanted go. Labels of others stay. ErrNotFound when there is no such node.
func (c *Client) LabelNode(ctx context.Context, name string, labels map[string]string) error {
	n, err := c.node(ctx, name)
	if err != nil {
		return err
	}
	owned := ownedLabels(n)
	if labelsAre(n, labels, owned) {
		return nil
	}
	if labels == nil {
		labels = map[string]string{}
	}
	if err := c.dropLabels(ctx, n, labels, owned); err != nil {
		return err
	}
	// With the uid an apply that comes after the node's deletion is refused, where it would otherwise make a new one.
	patch, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{"name": name, "uid": n.UID, "labels": labels},
	})
	if err != nil {
		return fmt.Errorf("label node %s: %w", name, err)
	}
	force := true
	return c.patchNode(ctx, name, types.ApplyPatchType, patch, metav1.PatchOptions{FieldManager: labelManager, Force: &force})
}

// dropLabels takes away what was ours and is no longer wanted. Giving up ownership is not enough: the kubelet, which set
// the same labels when its node joined, owns them too.
func (c *Client) dropLabels(ctx context.Context, n *corev1.Node, want map[string]string, owned map[string]bool) error {
	gone := map[string]any{}
	for key := range owned {
		if _, stays := want[key]; !stays {
			gone[key] = nil
		}
	}
	if len(gone) == 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": n.UID, "labels": gone}})
	if err != nil {
		return fmt.Errorf("label node %s: %w", n.Name, err)
	}
	return c.patchNode(ctx, n.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: userAgent})
}

// ownedLabels are the labels that an earlier LabelNode set.
func ownedLabels(n *corev1.Node) map[string]bool {
	owned := map[string]bool{}
	for _, entry := range n.ManagedFields {
		if entry.Manager != labelManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Metadata struct {
				Labels map[string]json.RawMessage `json:"f:labels"`
			} `json:"f:metadata"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		for field := range fields.Metadata.Labels {
			if key, found := strings.CutPrefix(field, "f:"); found {
				owned[key] = true
			}
		}
	}
	return owned
}

// labelsAre tells that a node has the labels and that we own these and no others.
func labelsAre(n *corev1.Node, want map[string]string, owned map[string]bool) bool {
	if len(owned) != len(want) {
		return false
	}
	for key, value := range want {
		if live, found := n.Labels[key]; !found || live != value || !owned[key] {
			return false
		}
	}
	return true
}

// TaintNode makes these the taints that we set on a node, under the same rules as LabelNode. It fails with a conflict
// (Transient) when somebody else changed the node at the same time.
func (c *Client) TaintNode(ctx context.Context, name string, taints []Taint) error {
	n, err := c.node(ctx, name)
	if err != nil {
		return err
	}
	live := taintsOf(n)
	keep, annotation := mergeTaints(live, n.Annotations[taintAnnotation], taints)
	if slices.Equal(keep, live) && annotation == n.Annotations[taintAnnotation] {
		return nil
	}
	timeAdded := map[Taint]*metav1.Time{}
	for i, t := range n.Spec.Taints {
		timeAdded[live[i]] = t.TimeAdded
	}
	list := make([]corev1.Taint, 0, len(keep))
	for _, t := range keep {
		list = append(list, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect), TimeAdded: timeAdded[t]})
	}
	var mark any // null takes the annotation away
	if annotation != "" {
		mark = annotation
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": n.ResourceVersion, "annotations": map[string]any{taintAnnotation: mark}},
		"spec":     map[string]any{"taints": list},
	})
	if err != nil {
		return fmt.Errorf("taint node %s: %w", name, err)
	}
	return c.patchNode(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: userAgent})
}

// mergeTaints is the list that a node is to have and what is then ours, given what was ours. Key and effect name a taint.
func mergeTaints(live []Taint, ours string, want []Taint) (merged []Taint, annotation string) {
	id := func(t Taint) string { return t.Key + ":" + t.Effect }
	wanted := map[string]Taint{}
	for _, t := range want {
		wanted[id(t)] = t
	}
	annotation = strings.Join(slices.Sorted(maps.Keys(wanted)), ",")
	for _, t := range live {
		if w, stays := wanted[id(t)]; stays {
			merged = append(merged, w)
		} else if !slices.Contains(strings.Split(ours, ","), id(t)) {
			merged = append(merged, t)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		if !slices.ContainsFunc(merged, func(t Taint) bool { return id(t) == key }) {
			merged = append(merged, wanted[key])
		}
	}
	return merged, annotation
}
