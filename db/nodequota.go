package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// QuotaBaremetal is our word for bare-metal nodes in quotas.
const QuotaBaremetal = "BaremetalNode"

// NodeQuota bounds how many nodes of a driver a project may have in all its clusters: by its quota row of the resource, or
// else by Default. Below 0 is no limit.
type NodeQuota struct {
	Resource, Driver string
	Default          int
}

// NodeQuotaError says that a project may not have so many nodes.
type NodeQuotaError struct {
	Resource          string
	Limit, Used, More int
}

func (e *NodeQuotaError) Error() string {
	return fmt.Sprintf("the project may have %d of %s, has %d, and this needs %d more", e.Limit, e.Resource, e.Used, e.More)
}

// wanted is how many nodes a group is to have. Those of a hibernated one count: it comes back to them.
func (g *NodeGroup) wanted() int {
	if g.ResumeCount != nil {
		return *g.ResumeCount
	}
	return g.NodeCount
}

// nodes that groups are to have of the quota's driver.
func (q NodeQuota) nodes(groups []*NodeGroup) int {
	n := 0
	for _, g := range groups {
		if g.Driver == q.Driver {
			n += g.wanted()
		}
	}
	return n
}

// NodeQuota tells how many nodes of a quota's driver a project may have, and how many it is to have.
func (s *Store) NodeQuota(ctx context.Context, projectID string, q NodeQuota) (limit, used int, err error) {
	return nodeQuota(ctx, s.db, projectID, q)
}

func nodeQuota(ctx context.Context, tx bun.IDB, projectID string, q NodeQuota) (limit, used int, err error) {
	if limit, err = hardLimit(ctx, tx, projectID, q.Resource, q.Default); err != nil || limit < 0 {
		return limit, 0, err
	}
	err = tx.NewSelect().Model((*NodeGroup)(nil)).ColumnExpr("COALESCE(SUM(COALESCE(resume_count, node_count)), 0)").
		Where("project_id = ? AND driver = ?", projectID, q.Driver).Scan(ctx, &used)
	return limit, used, wrap(err, "counting the nodes of a project")
}

// admit fails with a NodeQuotaError when a project may not have so many nodes more. Up to the end of the transaction nobody
// else in the project is admitted.
func (s *Store) admit(ctx context.Context, tx bun.Tx, projectID string, q NodeQuota, more int) error {
	if more <= 0 {
		return nil
	}
	if limit, err := hardLimit(ctx, tx, projectID, q.Resource, q.Default); err != nil || limit < 0 {
		return err
	}
	if err := s.lockProject(ctx, tx, projectID); err != nil {
		return err
	}
	limit, used, err := nodeQuota(ctx, tx, projectID, q)
	if err == nil && limit >= 0 && used+more > limit {
		return &NodeQuotaError{Resource: q.Resource, Limit: limit, Used: used, More: more}
	}
	return err
}
