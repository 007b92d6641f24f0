package ops

import (
	"cmp"
	"encoding/json"
	"fmt"

	"golang.org/x/mod/semver"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// Skew refuses what kubeadm refuses: going back, and skipping a minor version.
func Skew(from, to string) error {
	refuse := func(why string, args ...any) error {
		return &RefusedError{Reason: fmt.Sprintf("Upgrading from Kubernetes %s to %s is not supported%s.", from, to, fmt.Sprintf(why, args...))}
	}
	var have, want int
	_, err1 := fmt.Sscanf(semver.MajorMinor(from), "v1.%d", &have)
	_, err2 := fmt.Sscanf(semver.MajorMinor(to), "v1.%d", &want)
	switch {
	case err1 != nil || err2 != nil:
		return refuse("")
	case semver.Compare(to, from) < 0:
		return refuse(": it would go back")
	case want > have+1:
		return refuse(": it would skip v1.%d", have+1)
	}
	return nil
}

// NewerPatch tells whether a version is a later patch of the same minor version.
func NewerPatch(than, version string) bool {
	return semver.IsValid(version) && semver.MajorMinor(version) == semver.MajorMinor(than) && semver.Compare(version, than) > 0 && semver.Prerelease(version) == ""
}

// RequestUpgrade asks for an upgrade of one node group, or of the cluster where that is nil: it changes the rows and adds
// the operation. In place: conductors know where hosts get Kubernetes from that are upgraded where they are.
func RequestUpgrade(s *db.Snapshot, uuid string, group *db.NodeGroup, params Upgrade, inPlace bool) (*db.Operation, error) {
	kind, about := ClusterUpgrade, ""
	if group != nil {
		kind, about = NodeGroupUpgrade, group.UUID
	}
	if err := Allowed(kind, s.Cluster.Status); err != nil {
		return nil, err
	}
	if group == nil && !s.Cluster.MasterLBEnabled && !inPlace {
		return nil, &RefusedError{Reason: "Upgrading a cluster without a load balancer is not supported by this service: its only master is upgraded on the host that it has, and kubernetes_binaries_url does not say from where."}
	}
	var spec ClusterSpec
	if err := json.Unmarshal(s.Cluster.Spec, &spec); err != nil {
		return nil, fmt.Errorf("reading a cluster's spec: %w", err)
	}
	if err := Skew(spec.KubernetesVersion, params.KubernetesVersion); err != nil { // it may have changed since
		return nil, err
	}
	params.From = map[string]Target{}
	for _, g := range s.NodeGroups {
		if !kind.Concerns(g, about) {
			continue
		}
		var had GroupSpec
		if err := json.Unmarshal(g.Spec, &had); err != nil {
			return nil, fmt.Errorf("reading the spec of a node group: %w", err)
		}
		params.From[g.UUID] = Target{TemplateID: s.Cluster.ClusterTemplateID, Image: g.ImageID, ImageID: had.ImageID, Distro: had.Distro, KubernetesVersion: cmp.Or(had.KubeVersion, spec.KubernetesVersion)}
		g.Status, g.StatusReason = kind.GroupProgress(), nil
	}
	op, err := New(uuid, kind, s.Cluster, group, params)
	if err != nil {
		return nil, err
	}
	s.Cluster.Status, s.Cluster.StatusReason = kind.Progress(), nil
	s.Operations = append(s.Operations, op)
	return op, nil
}
