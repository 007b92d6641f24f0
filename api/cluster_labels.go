package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// checkLabels is what of new labels can be said before the cluster's row is held.
func (s *Server) checkLabels(c echo.Context, v *db.ClusterView, given db.Strings) error {
	spec, err := s.changeAddons(&v.Cluster, given)
	if err != nil {
		return err
	}
	preferred := spec.AddonSettings[ops.LabelDefaultVolumeType]
	if preferred == "" {
		return nil
	}
	k, err := s.checks(c)
	if err != nil {
		return err
	}
	return k.volumeType(ops.LabelDefaultVolumeType, preferred)
}

// requestLabels gives a cluster the labels that a patch changes, and asks for what follows of it. What others have changed
// since the patch was read stays.
func (s *Server) requestLabels(c echo.Context, sn *db.Snapshot, read, given db.Strings) ([]*db.Operation, error) {
	labels := maps.Clone(sn.Cluster.Labels)
	if labels == nil {
		labels = db.Strings{}
	}
	for _, name := range changedLabels(read, given) {
		if value, there := given[name]; there {
			labels[name] = value
		} else {
			delete(labels, name)
		}
	}
	spec, err := s.changeAddons(sn.Cluster, labels)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encoding a cluster's spec: %w", err)
	}
	if err := ops.Allowed(ops.ClusterUpdate, sn.Cluster.Status); err != nil {
		return nil, err
	}
	var had ops.ClusterSpec
	if err := json.Unmarshal(sn.Cluster.Spec, &had); err != nil {
		return nil, fmt.Errorf("reading a cluster's spec: %w", err)
	}
	same := slices.Equal(had.Addons, spec.Addons) && maps.Equal(had.AddonSettings, spec.AddonSettings)
	if sn.Cluster.Labels, sn.Cluster.Spec = labels, raw; same {
		return nil, nil
	}
	return s.requestWhole(c, sn, ops.ClusterUpdate)
}
