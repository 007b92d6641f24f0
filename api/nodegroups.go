package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

func (s *Server) nodeGroup(c echo.Context, clusterUUID, ident string) (*db.NodeGroup, error) {
	g, err := s.Store.NodeGroup(c.Request().Context(), clusterUUID, ident)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return nil, notFound("Nodegroup", ident)
	case errors.Is(err, db.ErrAmbiguous):
		return nil, fail(http.StatusConflict, "Multiple nodegroups exist with same name. Please use the nodegroup uuid instead.")
	}
	return g, err
}

func (s *Server) listNodeGroups(c echo.Context) error {
	if err := onlyQuery(c, append(pageQuery, "role")...); err != nil {
		return err
	}
	p, err := s.page(c)
	if err != nil {
		return err
	}
	v, err := s.cluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	if p.Marker != "" {
		if _, err := s.nodeGroup(c, v.UUID, p.Marker); err != nil {
			return err
		}
	}
	rows, err := s.Store.NodeGroups(c.Request().Context(), v.UUID, p, c.QueryParam("role"))
	if err != nil {
		return listError(err, p)
	}
	out := make([]wire.NodeGroupSummary, 0, len(rows))
	for _, g := range rows {
		out = append(out, wire.NewNodeGroupSummary(g, &v.Cluster))
	}
	return writeList(c, "nodegroups", out, s.base(c), "clusters/"+v.UUID+"/nodegroups", p, func(x wire.NodeGroupSummary) string { return x.UUID })
}

func (s *Server) getNodeGroup(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	v, err := s.cluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	g, err := s.nodeGroup(c, v.UUID, c.Param("ng"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.NewNodeGroup(g, &v.Cluster, s.base(c)))
}

// maxNodes bounds the size of a node group. Kubernetes itself goes to half of that.
const maxNodes = 10000

// groupName: node names are made of it, so it must be a DNS label.
var groupName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

func (s *Server) createNodeGroup(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	f, err := newForm(c, "nodegroup")
	if err != nil {
		return err
	}
	g, merge, err := readNodeGroup(f)
	if err != nil {
		return err
	}
	v, err := s.ownCluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := checkNodeGroup(g); err != nil {
		return err
	}
	if g.Role == db.RoleMaster {
		return badRequest("Creating master nodegroups is currently not supported.")
	}
	if v.APIAddress == nil || *v.APIAddress == "" {
		return fail(http.StatusConflict, "Cluster API address is not available yet")
	}
	if err := s.resolveNodeGroup(c, v, g, merge); err != nil {
		return err
	}
	_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) { return s.requestNodeGroup(c, sn, g) })
	if err != nil {
		return err
	}
	if stored, err := s.Store.NodeGroup(c.Request().Context(), v.UUID, g.UUID); err == nil {
		g = stored
	}
	return c.JSON(http.StatusAccepted, wire.NewNodeGroup(g, &v.Cluster, s.base(c)))
}

func (s *Server) requestNodeGroup(c echo.Context, sn *db.Snapshot, g *db.NodeGroup) ([]*db.Operation, error) {
	if err := ops.Allowed(ops.NodeGroupCreate, sn.Cluster.Status); err != nil {
		return nil, err
	}
	if err := ops.Awake(sn, ops.NodeGroupCreate); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(sn.NodeGroups, func(x *db.NodeGroup) bool { return x.Name == g.Name }) {
		return nil, fail(http.StatusConflict, "A node group with name %s already exists in the cluster %s.", g.Name, sn.Cluster.Name)
	}
	fresh := *g // decide may be run again
	op, err := ops.New(s.NewUUID(), ops.NodeGroupCreate, sn.Cluster, &fresh, nil)
	if err != nil {
		return nil, err
	}
	s.sign(c, op)
	sn.NodeGroups, sn.Operations = append(sn.NodeGroups, &fresh), append(sn.Operations, op)
	sn.Cluster.Status, sn.Cluster.StatusReason = ops.UpdateInProgress, nil
	return []*db.Operation{op}, nil
}

func readNodeGroup(f *form) (*db.NodeGroup, bool, error) {
	f.ReadOnly("links", "id", "cluster_id", "project_id", "stack_id", "status", "status_reason", "version", "node_addresses", "created_at", "updated_at")
	f.Ignore("uuid", "is_default", "labels_overridden", "labels_added", "labels_skipped")
	f.Required("name")
	g := &db.NodeGroup{Name: or(f.Match("name", 63, groupName), ""), NodeCount: or(f.Int("node_count", 0, maxNodes), 1), MinNodeCount: or(f.Int("min_node_count", 0, maxNodes), 0),
		MaxNodeCount: f.Int("max_node_count", 0, maxNodes), Role: or(f.String("role", maxText), db.RoleWorker), FlavorID: or(f.String("flavor_id", maxText), ""),
		ImageID: or(f.String("image_id", maxText), ""), Labels: f.Strings("labels"), DockerVolumeSize: f.Int("docker_volume_size", 1, 1<<20),
		NodeLabels: f.Strings("node_labels"), NodeTaints: f.taints("node_taints")}
	merge := or(f.Bool("merge_labels"), false)
	return g, merge, f.done()
}

func (f *form) taints(name string) []db.Taint {
	v := f.value(name)
	if v == nil {
		return nil
	}
	var l []map[string]*string
	if json.Unmarshal(v, &l) != nil {
		f.fail(name, "Wrong type. Expected a list of objects with key, value and effect.")
		return nil
	}
	var out []db.Taint
	for _, m := range l {
		for k := range m {
			if !slices.Contains([]string{"key", "value", "effect"}, k) {
				f.fail(name, "A taint has key, value and effect, not %q.", k)
			}
		}
		out = append(out, db.Taint{Key: or(m["key"], ""), Value: or(m["value"], ""), Effect: or(m["effect"], "")})
	}
	return out
}

// checkNodeGroup refuses what contradicts itself; Magnum says 409 to that.
func checkNodeGroup(g *db.NodeGroup) error {
	invalid := func(attr, why string) error {
		return fail(http.StatusConflict, "%s for %s is invalid (%s).", attr, g.Name, why)
	}
	most := or(g.MaxNodeCount, 0)
	switch {
	case g.Role == db.RoleMaster && (len(g.NodeLabels) > 0 || len(g.NodeTaints) > 0):
		return invalid("node_labels or node_taints", "the master role takes none")
	case g.NodeCount < g.MinNodeCount:
		return invalid("min_node_count", "min_node_count should be less or equal to node_count")
	case most > 0 && g.MinNodeCount > most:
		return invalid("max_node_count", "min_node_count should be less or equal to max_node_count")
	case most > 0 && g.NodeCount > most:
		return invalid("max_node_count", "node_count should be less or equal to max_node_count")
	}
	for k, v := range g.NodeLabels {
		if k == ops.RuntimeLabel {
			return invalid("node_labels", "label "+k+" is set by label runtime of the node group")
		}
		if why := labelProblem(k, v); why != "" {
			return invalid("node_labels", why)
		}
	}
	for i, t := range g.NodeTaints {
		if t.Key == "" || !slices.Contains([]string{"NoSchedule", "PreferNoSchedule", "NoExecute"}, t.Effect) {
			return invalid("node_taints", "a taint needs a key and an effect of NoSchedule, PreferNoSchedule or NoExecute")
		}
		if t.Key == ops.RuntimeLabel {
			return invalid("node_taints", "taint "+t.Key+" is set by label runtime of the node group")
		}
		if why := syntaxProblem(t.Key, t.Value); why != "" {
			return invalid("node_taints", why)
		}
		same := func(x db.Taint) bool { return x.Key == t.Key && x.Effect == t.Effect }
		if slices.ContainsFunc(g.NodeTaints[:i], same) { // a kubelet would not start
			return invalid("node_taints", "taint "+t.Key+":"+t.Effect+" is there twice")
		}
	}
	return nil
}

var (
	labelName  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$`)
)

func syntaxProblem(key, value string) string {
	prefix, name, qualified := strings.Cut(key, "/")
	if !qualified {
		prefix, name = "", key
	}
	switch {
	case !labelName.MatchString(name), qualified && !dnsName.MatchString(prefix):
		return "key " + key + " is not a qualified name"
	case !labelValue.MatchString(value):
		return "value " + value + " has characters that Kubernetes refuses"
	}
	return ""
}

// labelProblem keeps to what a kubelet may set on its own node.
func labelProblem(key, value string) string {
	if why := syntaxProblem(key, value); why != "" {
		return why
	}
	prefix, _, qualified := strings.Cut(key, "/")
	if !qualified || !(isOrUnder(prefix, "kubernetes.io") || isOrUnder(prefix, "k8s.io")) {
		return ""
	}
	allowed := []string{"beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "beta.kubernetes.io/os", "failure-domain.beta.kubernetes.io/region",
		"failure-domain.beta.kubernetes.io/zone", "kubernetes.io/arch", "kubernetes.io/hostname", "kubernetes.io/os", "node.kubernetes.io/instance-type",
		"node.kubernetes.io/windows-build", "topology.kubernetes.io/region", "topology.kubernetes.io/zone"}
	if isOrUnder(prefix, "kubelet.kubernetes.io") || isOrUnder(prefix, "node.kubernetes.io") || slices.Contains(allowed, key) {
		return ""
	}
	return "label " + key + " is in a namespace that belongs to Kubernetes"
}

func isOrUnder(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}

// resolveNodeGroup fills what the request left to the cluster and checks it with the caller's rights.
func (s *Server) resolveNodeGroup(c echo.Context, v *db.ClusterView, g *db.NodeGroup, merge bool) error {
	g.UUID, g.ClusterUUID, g.ProjectID, g.Status, g.CreatedAt = s.NewUUID(), v.UUID, v.ProjectID, ops.CreateInProgress, s.Now()
	g.Labels = mergeLabels(v.Labels, g.Labels, merge)
	worker := defaultWorker(v.NodeGroups)
	if g.FlavorID == "" {
		g.FlavorID = or(v.FlavorID, "")
	}
	if worker != nil {
		if g.ImageID == "" {
			g.ImageID = worker.ImageID
		}
	}
	var spec ops.ClusterSpec
	if err := json.Unmarshal(v.Spec, &spec); err != nil {
		return err
	}
	if err := s.setDriver(g, spec.ServerType); err != nil {
		return err
	}
	if g.DockerVolumeSize != nil && g.Driver == ironicDriver {
		return badRequest("docker_volume_size is not for bare metal, which has no volumes.")
	}
	k, err := s.checks(c)
	if err != nil {
		return err
	}
	image, err := k.image(g.ImageID)
	if err != nil {
		return err
	}
	f, err := s.groupSpec(k, g, "flavor_id", "availability_zone", image)
	if err != nil {
		return err
	}
	if own := (&labels{m: g.Labels}).version(image.Properties["kube_version"]); own != spec.KubernetesVersion {
		return badRequest("Image %s has Kubernetes %s, the cluster has %s.", g.ImageID, own, spec.KubernetesVersion)
	}
	var d demand
	d.hosts(g.NodeCount, f, g)
	return s.room(k, d)
}

func (s *Server) deleteNodeGroup(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	v, err := s.ownCluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	g, err := s.nodeGroup(c, v.UUID, c.Param("ng"))
	if err != nil {
		return err
	}
	if g.IsDefault {
		return badRequest("Deleting a default nodegroup is not supported.")
	}
	_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) { return s.requestGroupDelete(c, sn, g.UUID) })
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *Server) requestGroupDelete(c echo.Context, sn *db.Snapshot, uuid string) ([]*db.Operation, error) {
	i := slices.IndexFunc(sn.NodeGroups, func(g *db.NodeGroup) bool { return g.UUID == uuid })
	if i < 0 {
		return nil, nil // gone meanwhile: that is what was asked for
	}
	var ring []*db.Operation
	for _, o := range sn.Operations {
		switch {
		case ops.Kind(o.Kind) == ops.ClusterDelete, o.NodeGroupUUID == uuid && ops.Kind(o.Kind) == ops.NodeGroupDelete:
			return nil, nil // on its way out already
		case o.NodeGroupUUID == uuid:
			o.CancelRequested = true
			sn.Wake(o)
			ring = append(ring, o)
		}
	}
	if err := ops.Allowed(ops.NodeGroupDelete, sn.Cluster.Status); err != nil {
		return nil, err
	}
	g := sn.NodeGroups[i]
	op, err := ops.New(s.NewUUID(), ops.NodeGroupDelete, sn.Cluster, g, nil)
	if err != nil {
		return nil, err
	}
	s.sign(c, op)
	sn.Operations = append(sn.Operations, op)
	g.Status, g.StatusReason = ops.DeleteInProgress, nil
	sn.Cluster.Status, sn.Cluster.StatusReason = ops.UpdateInProgress, nil
	return append(ring, op), nil
}
