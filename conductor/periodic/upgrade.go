package periodic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// mayUpgrade tells whether the cluster wants to be upgraded by itself, and may be now: its window is open, it is well, and
// the last that was done to it succeeded. After a failure a person has to look first.
func mayUpgrade(s *db.Snapshot, m ops.Maintenance, well bool) bool {
	return m.AutoUpgrade && len(m.Windows) > 0 && m.Open(s.Now()) && well && len(s.Operations) == 0 && strings.HasSuffix(s.Cluster.Status, "_COMPLETE") &&
		!ops.Hibernated(s.NodeGroups)
}

// findUpgrade looks for the newest patch of the cluster's minor version among the templates that its owner sees; nil when
// there is none.
func (w *Watcher) findUpgrade(ctx context.Context, s *db.Snapshot, v sight) (*ops.Upgrade, error) {
	m, err := ops.ParseMaintenance(s.Cluster.Maintenance)
	if err != nil || !mayUpgrade(s, m, v.reached && s.Cluster.HealthStatus != nil && *s.Cluster.HealthStatus == healthy) {
		return nil, err
	}
	var spec ops.ClusterSpec
	if err := json.Unmarshal(s.Cluster.Spec, &spec); err != nil {
		return nil, fmt.Errorf("reading the cluster's spec: %w", err)
	}
	l, err := w.Store.Templates(ctx, db.Page{}, db.Visibility{ProjectID: s.Cluster.ProjectID})
	if err != nil {
		return nil, err
	}
	var best *ops.Upgrade
	for _, t := range l {
		if t.COE != "kubernetes" || (t.Labels["kube_tag"] != "" && !ops.NewerPatch(spec.KubernetesVersion, vee(t.Labels["kube_tag"]))) {
			continue
		}
		image, err := w.Sights.Image(ctx, s, t.ImageID)
		if errors.Is(err, drivers.ErrNoImage) { // of somebody else, or not there any more
			continue
		}
		if err != nil {
			return nil, err
		}
		if u := upgradeTo(t, image, spec); u != nil && ops.WithoutRuntime(s.NodeGroups, image.Runtimes) == nil && (best == nil || ops.NewerPatch(best.KubernetesVersion, u.KubernetesVersion)) {
			best = u
		}
	}
	return best, nil
}

// upgradeTo is what an upgrade to a template comes to; nil when it is none: the version is no later patch, the image is
// of another distribution, or has something else than the template says.
func upgradeTo(t *db.ClusterTemplate, image drivers.Image, spec ops.ClusterSpec) *ops.Upgrade {
	version := vee(image.KubernetesVersion)
	if tag := t.Labels["kube_tag"]; version == "" {
		version = vee(tag)
	} else if tag != "" && vee(tag) != version {
		return nil
	}
	if image.Distro != spec.Distro || !ops.NewerPatch(spec.KubernetesVersion, version) {
		return nil
	}
	return &ops.Upgrade{Target: ops.Target{TemplateID: t.UUID, Image: t.ImageID, ImageID: image.ID, Distro: image.Distro, KubernetesVersion: version}, MaxBatchSize: 1}
}

func vee(version string) string {
	if version == "" || strings.HasPrefix(version, "v") {
		return version
	}
	return "v" + version
}

// upgrade orders what was found, if it still may.
func (d decider) upgrade(s *db.Snapshot, m ops.Maintenance) error {
	if d.found == nil || !mayUpgrade(s, m, *s.Cluster.HealthStatus == healthy) {
		return nil
	}
	op, err := ops.RequestUpgrade(s, d.newUUID(), nil, *d.found, d.inPlace)
	var refused *ops.RefusedError
	if errors.As(err, &refused) {
		return nil // it was upgraded meanwhile, or cannot be by this service: the API says so to whoever asks
	}
	if err != nil {
		return err
	}
	op.RequestID = "req-" + op.UUID
	tell(s, true, "upgrade", "to Kubernetes %s, the newest patch, within the maintenance window", d.found.KubernetesVersion)
	return nil
}
