package api

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

var clusterName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_.-]*$`)

const maxClusterName = 242

// cluster finds one that the caller may see: other projects' do not exist, except for admins.
func (s *Server) cluster(c echo.Context, ident string) (*db.ClusterView, error) {
	return s.findCluster(c, ident, callerOf(c).scope())
}

// ownCluster finds one of the caller's own project, also for admins.
func (s *Server) ownCluster(c echo.Context, ident string) (*db.ClusterView, error) {
	if callerOf(c).ProjectID == "" {
		return nil, notFound("Cluster", ident)
	}
	return s.findCluster(c, ident, callerOf(c).ProjectID)
}

func (s *Server) findCluster(c echo.Context, ident, projectID string) (*db.ClusterView, error) {
	v, err := s.Store.Cluster(c.Request().Context(), ident, projectID)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return nil, notFound("Cluster", ident)
	case errors.Is(err, db.ErrAmbiguous):
		return nil, fail(http.StatusConflict, "Multiple clusters exist with same name. Please use the cluster uuid instead.")
	}
	return v, err
}

func (s *Server) listClusters(detail bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := onlyQuery(c, pageQuery...); err != nil {
			return err
		}
		p, err := s.page(c)
		if err != nil {
			return err
		}
		if p.Marker != "" { // others' clusters are no place to go on from
			if _, err := s.cluster(c, p.Marker); err != nil {
				return err
			}
		}
		rows, err := s.Store.Clusters(c.Request().Context(), p, callerOf(c).scope())
		if err != nil {
			return listError(err, p)
		}
		base := s.base(c)
		if detail {
			out := make([]wire.Cluster, 0, len(rows))
			for _, v := range rows {
				out = append(out, wire.NewCluster(v, base, minor(c), false))
			}
			return writeList(c, "clusters", out, base, "clusters/detail", p, func(x wire.Cluster) string { return x.UUID })
		}
		out := make([]wire.ClusterSummary, 0, len(rows))
		for _, v := range rows {
			out = append(out, wire.NewClusterSummary(v, base, minor(c)))
		}
		return writeList(c, "clusters", out, base, "clusters", p, func(x wire.ClusterSummary) string { return x.UUID })
	}
}

func (s *Server) getCluster(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	v, err := s.cluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := s.allowTarget(c, "cluster:get", "cluster:get_one_all_projects", v.ProjectID, v.UserID); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.NewCluster(v, s.base(c), minor(c), true))
}

func accepted(c echo.Context, uuid string) error {
	return c.JSON(http.StatusAccepted, map[string]string{"uuid": uuid})
}

// clusterRequest is the body of a create request.
type clusterRequest struct {
	templateID                string
	name                      string
	keypair                   *string
	nodes, masters            int
	dockerVolumeSize          *int
	labels                    db.Strings
	mergeLabels               bool
	masterFlavor, flavor      *string
	createTimeout             *int
	discoveryURL              *string
	fixedNetwork, fixedSubnet *string
	floatingIP, masterLB      *bool
}

func readCluster(f *form, minor int) (*clusterRequest, error) {
	f.ReadOnly("links", "project_id", "user_id", "stack_id", "cluster_id", "api_address", "coe_version", "container_version", "node_addresses",
		"master_addresses", "created_at", "updated_at", "id")
	f.Ignore("uuid", "status", "status_reason", "health_status", "health_status_reason", "faults", "labels_overridden", "labels_added", "labels_skipped")
	f.Required("cluster_template_id")
	timeout := 60
	r := &clusterRequest{
		templateID: f.ident("cluster_template_id"), name: or(f.Match("name", maxClusterName, clusterName), ""), keypair: f.String("keypair", maxText),
		nodes: or(f.Int("node_count", 0, maxNodes), 1), masters: or(f.Int("master_count", 1, 99), 1), dockerVolumeSize: f.Int("docker_volume_size", 1, 1<<20),
		labels: f.Strings("labels"), mergeLabels: or(f.Bool("merge_labels"), false), masterFlavor: f.String("master_flavor_id", maxText), flavor: f.String("flavor_id", maxText),
		createTimeout: f.Int("create_timeout", 0, 1<<20), discoveryURL: f.String("discovery_url", maxText),
		fixedNetwork: f.String("fixed_network", maxText), fixedSubnet: f.String("fixed_subnet", maxText),
		floatingIP: f.Bool("floating_ip_enabled"), masterLB: f.Bool("master_lb_enabled"),
	}
	if v := f.raw["create_timeout"]; v == nil || string(v) == `""` { // null is none
		r.createTimeout = &timeout
	}
	err := f.done()
	if r.nodes == 0 && minor < 10 {
		err = errors.Join(err, about("node_count", badRequest("Creating a cluster with node_count set to zero is not supported in the provided microversion; it needs 1.10.")))
	}
	if r.masters%2 == 0 {
		err = errors.Join(err, about("master_count", badRequest("Invalid input for field/attribute master_count. Value: '%d'. An odd number of masters is needed for a quorum of etcd.", r.masters)))
	}
	return r, err
}

// ident reads a name, a UUID or the number of a row.
func (f *form) ident(name string) string {
	if v := f.value(name); len(v) > 0 && v[0] >= '0' && v[0] <= '9' {
		return string(v)
	}
	return or(f.String(name, maxText), "")
}

func (s *Server) createCluster(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	f, err := newForm(c, "cluster")
	if err != nil {
		return err
	}
	r, err := readCluster(f, minor(c))
	if err != nil {
		return err
	}
	plan, err := s.planCluster(c, r)
	if err != nil {
		return err
	}
	op, err := ops.New(s.NewUUID(), ops.ClusterCreate, plan.cluster, nil, nil)
	if err != nil {
		return err
	}
	s.sign(c, op)
	err = s.Store.CreateCluster(c.Request().Context(), plan.cluster, plan.groups, op, s.Defaults.MaxClusters, s.nodeQuota())
	if errors.Is(err, db.ErrNotFound) { // deleted since it was read
		return notFound("ClusterTemplate", plan.cluster.ClusterTemplateID)
	}
	if err != nil {
		return err
	}
	s.ring(c.Request().Context(), op.UUID)
	return accepted(c, plan.cluster.UUID)
}

// planCluster finds the template of a request and resolves the rest of it.
func (s *Server) planCluster(c echo.Context, r *clusterRequest) (*clusterPlan, error) {
	t, err := s.template(c, r.templateID)
	var missing *Error
	if errors.As(err, &missing) && missing.Status == http.StatusNotFound && minor(c) < 10 {
		err = badRequest("%s", missing.Detail)
	}
	if err != nil {
		return nil, about("cluster_template_id", err)
	}
	if t.Hidden && !callerOf(c).admin {
		return nil, about("cluster_template_id", fail(http.StatusForbidden, "Not authorized."))
	}
	return s.resolveCluster(c, r, t)
}

// sign notes who asked for an operation.
func (s *Server) sign(c echo.Context, op *db.Operation) {
	op.UserID, op.RequestID, op.CreatedAt = callerOf(c).UserID, requestID(c), s.Now()
}

// change decides on a cluster's rows within their transaction, then rings for the operations that it gives and tells their
// UUIDs. Dying between the two costs nothing: the sweeper rings for what is due.
func (s *Server) change(c echo.Context, uuid string, decide func(*db.Snapshot) ([]*db.Operation, error)) ([]string, error) {
	var ids []string
	err := s.Store.ChangeCluster(c.Request().Context(), uuid, func(sn *db.Snapshot) error {
		ids, sn.Quotas = nil, []db.NodeQuota{s.nodeQuota()} // decide may be run again
		l, err := decide(sn)
		for _, o := range l {
			ids = append(ids, o.UUID)
		}
		return err
	})
	switch {
	case errors.Is(err, db.ErrNotFound):
		return nil, notFound("Cluster", uuid)
	case err != nil:
		return nil, err
	}
	for _, id := range ids {
		s.ring(c.Request().Context(), id)
	}
	return ids, nil
}

// randomName is the name of what nobody named: a Greek letter and a number, as Magnum has it.
func (s *Server) randomName(what string) string {
	letters := strings.Fields("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi psi omega")
	id := strings.ReplaceAll(s.NewUUID(), "-", "")
	a, b := int(hexByte(id[0:2])), int(hexByte(id[2:4]))
	return letters[a%len(letters)] + "-" + itoa(b%24+1) + "-" + what
}
