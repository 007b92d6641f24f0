package db

import (
	"context"
	"errors"
	"reflect"

	"github.com/uptrace/bun"
)

// ClusterView is a cluster with what is shown along with it.
type ClusterView struct {
	Cluster
	NodeCount, MasterCount         int
	NodeAddresses, MasterAddresses []string
	NodeGroups                     []*NodeGroup // not in lists
	TemplateLabels                 Strings
}

// clusterRow is a cluster with the labels of its template.
type clusterRow struct {
	Cluster        `bun:",extend"`
	TemplateLabels Strings `bun:"template_labels,scanonly"`
}

// Clusters lists a project's, or all with "", in two queries.
func (s *Store) Clusters(ctx context.Context, p Page, projectID string) ([]*ClusterView, error) {
	var l []*clusterRow
	q := s.db.NewSelect().Model(&l).ExcludeColumn(unlisted()...).ColumnExpr("t.labels AS template_labels").Join("LEFT JOIN cluster_template AS t ON t.uuid = c.cluster_template_id")
	if projectID != "" {
		q = q.Where("c.project_id = ?", projectID)
	}
	q, err := s.page(ctx, q, p, Cluster{}, "c")
	if err != nil {
		return nil, err
	}
	if err := q.Scan(ctx); err != nil || len(l) == 0 {
		return []*ClusterView{}, wrap(err, "listing clusters")
	}
	out, byUUID := make([]*ClusterView, 0, len(l)), map[string]*ClusterView{}
	uuids := make([]string, 0, len(l))
	for _, c := range l {
		v := newView(&c.Cluster, c.TemplateLabels)
		out, byUUID[c.UUID], uuids = append(out, v), v, append(uuids, c.UUID)
	}
	var shares []*groupShare
	if err := s.db.NewSelect().Model(&shares).Where("cluster_uuid IN (?)", bun.List(uuids)).Order("id").Scan(ctx); err != nil {
		return nil, wrap(err, "listing node groups")
	}
	for _, g := range shares {
		byUUID[g.ClusterUUID].count(g.Role, g.NodeCount, g.NodeAddresses)
	}
	return out, nil
}

// groupRow is a node group with its cluster and the labels of the cluster's template.
type groupRow struct {
	NodeGroup      `bun:",extend"`
	Of             Cluster `bun:"embed:of_"`
	TemplateLabels Strings `bun:"template_labels,scanonly"`
}

// Cluster finds one by UUID or name, in a project or anywhere with "", in one query: every cluster has node groups, and
// goes with them.
func (s *Store) Cluster(ctx context.Context, ident, projectID string) (*ClusterView, error) {
	var l []*groupRow
	q := s.db.NewSelect().Model(&l).ColumnExpr("ng.*").ColumnExpr("t.labels AS template_labels")
	for _, f := range s.db.Table(reflect.TypeFor[Cluster]()).Fields {
		q = q.ColumnExpr("? AS ?", bun.Ident("c."+f.Name), bun.Ident("of_"+f.Name))
	}
	q = byIdent(q.Join("JOIN cluster AS c ON c.uuid = ng.cluster_uuid").Join("LEFT JOIN cluster_template AS t ON t.uuid = c.cluster_template_id"), "c", ident, false)
	if projectID != "" {
		q = q.Where("c.project_id = ?", projectID)
	}
	if err := q.Order("ng.id").Scan(ctx); err != nil {
		return nil, wrap(err, "looking for a cluster")
	}
	if len(l) == 0 {
		return nil, ErrNotFound
	}
	v := newView(&l[0].Of, l[0].TemplateLabels)
	for _, g := range l {
		if g.ClusterUUID != v.UUID {
			return nil, ErrAmbiguous
		}
		v.add(&g.NodeGroup)
	}
	return v, nil
}

func newView(c *Cluster, templateLabels Strings) *ClusterView {
	return &ClusterView{Cluster: *c, NodeAddresses: []string{}, MasterAddresses: []string{}, TemplateLabels: templateLabels}
}

func (v *ClusterView) add(g *NodeGroup) {
	v.NodeGroups = append(v.NodeGroups, g)
	v.count(g.Role, g.NodeCount, g.NodeAddresses)
}

// groupShare is what a list of clusters needs of a node group.
type groupShare struct {
	bun.BaseModel `bun:"table:nodegroup,alias:ng"`

	ClusterUUID   string `bun:"cluster_uuid"`
	Role          string `bun:"role"`
	NodeCount     int    `bun:"node_count"`
	NodeAddresses List   `bun:"node_addresses,type:text"`
}

func (v *ClusterView) count(role string, nodes int, addresses []string) {
	if role == RoleMaster {
		v.MasterCount += nodes
		v.MasterAddresses = append(v.MasterAddresses, addresses...)
		return
	}
	v.NodeCount += nodes
	v.NodeAddresses = append(v.NodeAddresses, addresses...)
}

// QuotaResource is Magnum's word for clusters in quotas.
const QuotaResource = "Cluster"

// CreateCluster stores a cluster with its node groups and its operation, if the project may have one more, and so many nodes:
// its quota row, or defaultLimit, is compared in the same transaction, which is alone in the project. ErrNotFound: its
// template is gone.
func (s *Store) CreateCluster(ctx context.Context, c *Cluster, groups []*NodeGroup, op *Operation, defaultLimit int, quotas ...NodeQuota) error {
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
		for _, q := range quotas {
			if err := s.admit(ctx, tx, c.ProjectID, q, q.nodes(groups)); err != nil {
				return err
			}
		}
		if err := lockTemplate(ctx, tx, c.ClusterTemplateID); err != nil {
			return err
		}
		c.ID, op.ID = 0, 0
		if _, err := tx.NewInsert().Model(c).Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&Watch{ClusterUUID: c.UUID}).Exec(ctx); err != nil {
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
	if limit, err = hardLimit(ctx, tx, projectID, QuotaResource, defaultLimit); err != nil {
		return 0, 0, err
	}
	n, err := tx.NewSelect().Model((*Cluster)(nil)).Where("project_id = ?", projectID).Count(ctx)
	return limit, int(n), wrap(err, "counting clusters")
}

// hardLimit of a project for a resource, by its quota row or else the default.
func hardLimit(ctx context.Context, tx bun.IDB, projectID, resource string, fallback int) (int, error) {
	var q Quota
	err := wrap(tx.NewSelect().Model(&q).Where("project_id = ? AND resource = ?", projectID, resource).Scan(ctx), "reading a quota")
	if errors.Is(err, ErrNotFound) {
		return fallback, nil
	}
	return q.HardLimit, err
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
