package api

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// upgradeCluster checks an upgrade in full, before anything of the cluster changes, and queues it.
func (s *Server) upgradeCluster(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	f, err := newForm(c, "cluster_upgrade_req")
	if err != nil {
		return err
	}
	f.Required("cluster_template")
	template, group, batch := f.ident("cluster_template"), f.ident("nodegroup"), or(f.Int("max_batch_size", 1, math.MaxInt32), 1)
	if err := f.done(); err != nil {
		return err
	}
	if minor(c) < 8 {
		return badRequest("Upgrading a cluster is not supported in the provided microversion; it needs 1.8.")
	}
	v, err := s.cluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := s.allowTarget(c, "cluster:upgrade", "cluster:upgrade_all_projects", v.ProjectID, v.UserID); err != nil {
		return err
	}
	t, err := s.template(c, template)
	if err != nil {
		return err
	}
	target, err := s.upgradeTarget(c, v, t, group)
	if err != nil {
		return err
	}
	concerned := v.NodeGroups
	if target != nil {
		concerned = []*db.NodeGroup{target}
	}
	params, err := s.resolveUpgrade(c, v, t, concerned, batch)
	if err != nil {
		return err
	}
	_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) { return s.requestUpgrade(c, sn, target, params) })
	if err != nil {
		return err
	}
	return accepted(c, v.UUID)
}

// upgradeTarget is the node group that is to be upgraded by itself; nil for the whole cluster, which the default groups
// stand for.
func (s *Server) upgradeTarget(c echo.Context, v *db.ClusterView, t *db.ClusterTemplate, ident string) (*db.NodeGroup, error) {
	if ident == "" {
		return nil, nil
	}
	g, err := s.nodeGroup(c, v.UUID, ident)
	switch {
	case err != nil:
		return nil, err
	case g.IsDefault:
		return nil, nil
	case t.UUID != v.ClusterTemplateID:
		return nil, fail(409, "Nodegroup %s can be upgraded only to cluster template %s, which its cluster has.", g.Name, v.ClusterTemplateID)
	}
	return g, nil
}

// resolveUpgrade finds the version that a template leads to, with the caller's rights, and refuses one that Kubernetes
// would not survive.
func (s *Server) resolveUpgrade(c echo.Context, v *db.ClusterView, t *db.ClusterTemplate, concerned []*db.NodeGroup, batch int) (ops.Upgrade, error) {
	var spec ops.ClusterSpec
	if err := json.Unmarshal(v.Spec, &spec); err != nil {
		return ops.Upgrade{}, fmt.Errorf("reading a cluster's spec: %w", err)
	}
	k, err := s.checks(c)
	if err != nil {
		return ops.Upgrade{}, err
	}
	image, err := k.image(t.ImageID)
	if err != nil {
		return ops.Upgrade{}, err
	}
	if err := keepsRuntimes(concerned, image); err != nil {
		return ops.Upgrade{}, err
	}
	if err := k.roomForImage(concerned, image); err != nil {
		return ops.Upgrade{}, err
	}
	if err := s.bootsImage(k, v, concerned, image); err != nil {
		return ops.Upgrade{}, err
	}
	l := &labels{m: t.Labels}
	version := l.version(image.Properties["kube_version"])
	if l.err != nil {
		return ops.Upgrade{}, l.err
	}
	if err := s.keepsAddons(spec, version); err != nil {
		return ops.Upgrade{}, err
	}
	target := ops.Target{TemplateID: t.UUID, Image: t.ImageID, ImageID: image.ID, Distro: image.Properties["os_distro"], KubernetesVersion: version}
	return ops.Upgrade{Target: target, MaxBatchSize: batch}, ops.Skew(spec.KubernetesVersion, version)
}

// roomForImage refuses to lead node groups to an image that is too large for their flavours. One that is gone by now is no
// reason: hosts that are upgraded where they are do not need it.
func (k *checks) roomForImage(groups []*db.NodeGroup, image cloud.ImageInfo) error {
	for _, g := range groups {
		var spec ops.GroupSpec
		if err := json.Unmarshal(g.Spec, &spec); err != nil {
			return fmt.Errorf("reading the spec of a node group: %w", err)
		}
		f, there, err := k.findFlavor(spec.FlavorID)
		if err != nil {
			return err
		}
		if there {
			if err := fits(f, g, "of node group "+g.Name, spec.BootVolumeSize, image); err != nil {
				return err
			}
		}
	}
	return nil
}

// bootsImage refuses to lead bare-metal groups to an image that a machine of theirs cannot boot: each is rebuilt where it is.
func (s *Server) bootsImage(k *checks, v *db.ClusterView, groups []*db.NodeGroup, image cloud.ImageInfo) error {
	metal := map[string]string{} // names, by UUID
	for _, g := range groups {
		if g.Driver == ironicDriver {
			metal[g.UUID] = g.Name
		}
	}
	if len(metal) == 0 {
		return nil
	}
	rows, err := s.Store.Nodes(k.ctx, v.UUID)
	if err != nil {
		return err
	}
	b, err := s.Clouds.Baremetal(k.ctx)
	if err != nil {
		return err
	}
	machines, err := b.Nodes(k.ctx, cloud.NodeFilter{Pool: s.Defaults.Baremetal, Lessee: v.ProjectID, Associated: true})
	if err != nil {
		return err
	}
	for _, n := range rows {
		i := slices.IndexFunc(machines, func(x cloud.BaremetalNode) bool { return x.InstanceID != "" && x.InstanceID == n.HostID })
		if i < 0 || metal[n.NodeGroupUUID] == "" {
			continue
		}
		if missing := machines[i].Lacks(image); len(missing) > 0 {
			return lacking(image, missing, "node "+n.Name+" of node group "+metal[n.NodeGroupUUID], machines[i])
		}
	}
	return nil
}

func (s *Server) requestUpgrade(c echo.Context, sn *db.Snapshot, target *db.NodeGroup, params ops.Upgrade) ([]*db.Operation, error) {
	var group *db.NodeGroup
	if target != nil {
		i := slices.IndexFunc(sn.NodeGroups, func(g *db.NodeGroup) bool { return g.UUID == target.UUID })
		if i < 0 {
			return nil, notFound("Nodegroup", target.Name)
		}
		group = sn.NodeGroups[i]
	}
	op, err := ops.RequestUpgrade(sn, s.NewUUID(), group, params, s.Defaults.UpgradesInPlace)
	if err != nil {
		return nil, err
	}
	s.sign(c, op)
	return []*db.Operation{op}, nil
}
