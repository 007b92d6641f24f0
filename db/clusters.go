package db

import (
	"context"
	"errors"

	"github.com/uptrace/bun"
)

// ClusterView is a cluster with what is shown along with it.
type ClusterView struct {
	Cluster
	NodeCount, MasterCount         int
	NodeAddresses, MasterAddresses []string
	NodeGroups                     []*NodeGroup
	TemplateLabels                 Strings
}

// Clusters lists a project's, or all with "".
func (s *Store) Clusters(ctx context.Context, p Page, projectID string) ([]*ClusterView, error) {
	var l []*Cluster
	q := s.db.NewSelect().Model(&l)
	if projectID != "" {
		q = q.Where("c.project_id = ?", projectID)
	}
	q, err := s.page(ctx, q, p, Cluster{}, "c")
	if err != nil {
		return nil, err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap(err, "listing clusters")
	}
	return s.views(ctx, l)
}

// Cluster finds one by UUID or name, in a project or anywhere with "".
func (s *Store) Cluster(ctx context.Context, ident, projectID string) (*ClusterView, error) {
	var l []*Cluster
	q := byIdent(s.db.NewSelect().Model(&l), "c", ident, false)
	if projectID != "" {
		q = q.Where("c.project_id = ?", projectID)
	}
	err := q.Limit(2).Scan(ctx)
	c, err := one(l, err, "cluster")
	if err != nil {
		return nil, err
	}
	v, err := s.views(ctx, []*Cluster{c})
	if err != nil {
		return nil, err
	}
	return v[0], nil
}

// views adds node groups and template labels, with one query each for all clusters.
func (s *Store) views(ctx context.Context, l []*Cluster) ([]*ClusterView, error) {
	out := make([]*ClusterView, 0, len(l))
	if len(l) == 0 {
		return out, nil
	}
	var uuids, templates []string
	for _, c := range l {
		uuids, templates = append(uuids, c.UUID), append(templates, c.ClusterTemplateID)
	}
	var groups []*NodeGroup
	if err := s.db.NewSelect().Model(&groups).Where("cluster_uuid IN (?)", bun.List(uuids)).Order("id").Scan(ctx); err != nil {
		return nil, wrap(err, "listing node groups")
	}
	var rows []*ClusterTemplate
	if err := s.db.NewSelect().Model(&rows).Column("uuid", "labels").Where("uuid IN (?)", bun.List(templates)).Scan(ctx); err != nil {
		return nil, wrap(err, "reading labels of templates")
	}
	labels := map[string]Strings{}
	for _, t := range rows {
		labels[t.UUID] = t.Labels
	}
	byUUID := map[string]*ClusterView{}
	for _, c := range l {
		v := &ClusterView{Cluster: *c, NodeAddresses: []string{}, MasterAddresses: []string{}, TemplateLabels: labels[c.ClusterTemplateID]}
		out, byUUID[c.UUID] = append(out, v), v
	}
	for _, g := range groups {
		byUUID[g.ClusterUUID].add(g)
	}
	return out, nil
}

func (v *ClusterView) add(g *NodeGroup) {
	v.NodeGroups = append(v.NodeGroups, g)
	if g.Role == RoleMaster {
		v.MasterCount += g.NodeCount
		v.MasterAddresses = append(v.MasterAddresses, g.NodeAddresses...)
		return
	}
	v.NodeCount += g.NodeCount
	v.NodeAddresses = append(v.NodeAddresses, g.NodeAddresses...)
}

// QuotaResource is Magnum's word for clusters in quotas.
const QuotaResource = "Cluster"

// CreateCluster stores a cluster with its node groups and its operation, if the project may have one more: its quota row,
// or defaultLimit, is compared in the same transaction, which is alone in the project.
func (s *Store) CreateCluster(ctx context.Context, c *Cluster, groups []*NodeGroup, op *Operation, defaultLimit int) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := s.lockProject(ctx, tx, c.ProjectID); err != nil {
			return err
		}
		limit, used, err := clusterQuota(ctx, tx, c.ProjectID, defaultLimit)
		if err != nil {
			return err
		}
		if used >= limit {
			return &QuotaError{Limit: limit}
		}
		c.ID, op.ID = 0, 0
		if _, err := tx.NewInsert().Model(c).Exec(ctx); err != nil {
			return err
		}
		for _, g := range groups {
			g.ID = 0
			if _, err := tx.NewInsert().Model(g).Exec(ctx); err != nil {
				return err
			}
		}
		return s.insertOperation(ctx, tx, op)
	})
}

// ClusterQuota tells how many clusters a project may have, by its quota row or else defaultLimit, and how many it has.
func (s *Store) ClusterQuota(ctx context.Context, projectID string, defaultLimit int) (limit, used int, err error) {
	return clusterQuota(ctx, s.db, projectID, defaultLimit)
}

func clusterQuota(ctx context.Context, tx bun.IDB, projectID string, defaultLimit int) (limit, used int, err error) {
	limit = defaultLimit
	var q Quota
	switch err := tx.NewSelect().Model(&q).Where("project_id = ? AND resource = ?", projectID, QuotaResource).Scan(ctx); {
	case err == nil:
		limit = q.HardLimit
	case !errors.Is(wrap(err, ""), ErrNotFound):
		return 0, 0, wrap(err, "reading a quota")
	}
	n, err := tx.NewSelect().Model((*Cluster)(nil)).Where("project_id = ?", projectID).Count(ctx)
	return limit, int(n), wrap(err, "counting clusters")
}

// lockProject makes everybody else who creates in the project wait: each project has a row that is written first.
func (s *Store) lockProject(ctx context.Context, tx bun.Tx, projectID string) error {
	for {
		n, err := affected(tx.NewRaw("UPDATE project SET seq = seq + 1 WHERE id = ?", projectID).Exec(ctx))
		if err != nil || n > 0 {
			return wrap(err, "locking a project")
		}
		_, err = tx.NewRaw(s.insertIgnore()+" project (id, seq) VALUES (?, 0)"+s.onConflictNothing(), projectID).Exec(ctx)
		if err != nil {
			return wrap(err, "making the row of a project")
		}
	}
}

func (s *Store) insertIgnore() string {
	if s.isMySQL() {
		return "INSERT IGNORE INTO"
	}
	return "INSERT INTO"
}

func (s *Store) onConflictNothing() string {
	if s.isMySQL() {
		return ""
	}
	return " ON CONFLICT DO NOTHING"
}

// NodeGroups lists a cluster's, of one role or all with "".
func (s *Store) NodeGroups(ctx context.Context, clusterUUID string, p Page, role string) ([]*NodeGroup, error) {
	var l []*NodeGroup
	q := s.db.NewSelect().Model(&l).Where("ng.cluster_uuid = ?", clusterUUID)
	if role != "" {
		q = q.Where("ng.role = ?", role)
	}
	q, err := s.page(ctx, q, p, NodeGroup{}, "ng")
	if err != nil {
		return nil, err
	}
	return l, wrap(q.Scan(ctx), "listing node groups")
}

// NodeGroup finds one by UUID, name or number.
func (s *Store) NodeGroup(ctx context.Context, clusterUUID, ident string) (*NodeGroup, error) {
	var l []*NodeGroup
	err := byIdent(s.db.NewSelect().Model(&l), "ng", ident, true).Where("ng.cluster_uuid = ?", clusterUUID).Limit(2).Scan(ctx)
	return one(l, err, "node group")
}

// Nodes lists a cluster's nodes.
func (s *Store) Nodes(ctx context.Context, clusterUUID string) ([]*Node, error) {
	var l []*Node
	err := s.db.NewSelect().Model(&l).Where("cluster_uuid = ?", clusterUUID).Order("id").Scan(ctx)
	return l, wrap(err, "listing nodes")
}

// Stats counts a project's clusters and nodes, or everybody's with "", in one query.
func (s *Store) Stats(ctx context.Context, projectID string) (clusters, nodes int, err error) {
	c, n := s.db.NewSelect().Model((*Cluster)(nil)).ColumnExpr("COUNT(*)"), s.db.NewSelect().Model((*NodeGroup)(nil)).ColumnExpr("COALESCE(SUM(node_count), 0)")
	if projectID != "" {
		c, n = c.Where("project_id = ?", projectID), n.Where("project_id = ?", projectID)
	}
	err = s.db.NewSelect().ColumnExpr("(?), (?)", c, n).Scan(ctx, &clusters, &nodes)
	return clusters, nodes, wrap(err, "counting clusters and nodes")
}
