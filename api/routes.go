package api

import (
	"net/http"
	"os"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/jeroboam-cloud/jeroboam/api/openapi"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
)

// route is one line of the route table.
type route struct {
	method, path string
	rule         string // evaluated against the caller before the handler, unless targeted
	adminRule    string // instead of rule when the caller is an admin
	since, until int    // first and last minor microversion that has it; no last one: 0
	targeted     bool   // the handler evaluates the rule against the object
	stores       bool   // something of the caller's project is stored: a project is needed
	handler      echo.HandlerFunc
}

// routes are all of them.
func (s *Server) routes() []route { return append(s.currentRoutes(), s.bayRoutes()...) }

// currentRoutes is the route table.
func (s *Server) currentRoutes() []route {
	const get, post, patch, del = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	return []route{
		{method: get, path: "/v1/clustertemplates", rule: "clustertemplate:get_all", adminRule: "clustertemplate:get_all_all_projects", handler: s.listTemplates("clustertemplates")},
		{method: get, path: "/v1/clustertemplates/detail", rule: "clustertemplate:detail", adminRule: "clustertemplate:detail_all_projects", handler: s.listTemplates("clustertemplates/detail")},
		{method: post, path: "/v1/clustertemplates", rule: "clustertemplate:create", stores: true, handler: s.createTemplate},
		{method: get, path: "/v1/clustertemplates/:id", targeted: true, handler: s.getTemplate},
		{method: patch, path: "/v1/clustertemplates/:id", targeted: true, handler: s.updateTemplate},
		{method: del, path: "/v1/clustertemplates/:id", targeted: true, handler: s.deleteTemplate},

		{method: get, path: "/v1/clusters", rule: "cluster:get_all", adminRule: "cluster:get_all_all_projects", handler: s.listClusters(false)},
		{method: get, path: "/v1/clusters/detail", rule: "cluster:detail", adminRule: "cluster:detail_all_projects", handler: s.listClusters(true)},
		{method: post, path: "/v1/clusters", rule: "cluster:create", stores: true, handler: s.createCluster},
		{method: get, path: "/v1/clusters/:id", targeted: true, handler: s.getCluster},
		{method: patch, path: "/v1/clusters/:id", targeted: true, handler: s.updateCluster},
		{method: del, path: "/v1/clusters/:id", targeted: true, handler: s.deleteCluster},
		{method: post, path: "/v1/clusters/:id/actions/resize", since: 7, targeted: true, handler: s.resizeCluster},
		{method: post, path: "/v1/clusters/:id/actions/upgrade", since: 7, targeted: true, handler: s.upgradeCluster},

		{method: get, path: "/v1/clusters/:id/nodegroups", rule: "nodegroup:get_all", adminRule: "nodegroup:get_all_all_projects", since: 9, handler: s.listNodeGroups},
		{method: post, path: "/v1/clusters/:id/nodegroups", rule: "nodegroup:create", since: 9, stores: true, handler: s.createNodeGroup},
		{method: get, path: "/v1/clusters/:id/nodegroups/:ng", rule: "nodegroup:get", adminRule: "nodegroup:get_one_all_projects", since: 9, handler: s.getNodeGroup},
		{method: patch, path: "/v1/clusters/:id/nodegroups/:ng", rule: "nodegroup:update", since: 9, stores: true, handler: s.updateNodeGroup},
		{method: del, path: "/v1/clusters/:id/nodegroups/:ng", rule: "nodegroup:delete", since: 9, stores: true, handler: s.deleteNodeGroup},

		// what Magnum lacks: in every microversion, since no client of Magnum asks for it
		{method: post, path: "/v1/clusters/preflight", rule: "cluster:create", stores: true, handler: s.preflightCluster},
		{method: post, path: "/v1/clusters/:id/actions/delete", targeted: true, handler: s.deleteClusterBy},
		{method: get, path: "/v1/clusters/:id/operations", targeted: true, handler: s.listOperations},
		{method: get, path: "/v1/clusters/:id/operations/:op", targeted: true, handler: s.getOperation},
		{method: post, path: "/v1/clusters/:id/operations/:op/actions/cancel", targeted: true, handler: s.cancelOperation},
		{method: post, path: "/v1/clusters/:id/operations/:op/actions/retry", targeted: true, handler: s.retryOperation},
		{method: post, path: "/v1/clusters/:id/operations/:op/actions/rollback", targeted: true, handler: s.rollbackOperation},
		{method: get, path: "/v1/clusters/:id/events", targeted: true, handler: s.listEvents},
		{method: get, path: "/v1/clusters/:id/nodes", targeted: true, handler: s.listNodes},
		{method: get, path: "/v1/clusters/:id/maintenance", targeted: true, handler: s.getMaintenance},
		{method: http.MethodPut, path: "/v1/clusters/:id/maintenance", targeted: true, handler: s.setMaintenance},
		{method: del, path: "/v1/clusters/:id/maintenance", targeted: true, handler: s.unsetMaintenance},
		{method: post, path: "/v1/clusters/:id/actions/hibernate", targeted: true, handler: s.rest(ops.ClusterHibernate)},
		{method: post, path: "/v1/clusters/:id/actions/resume", targeted: true, handler: s.rest(ops.ClusterResume)},
		{method: get, path: "/v1/clusters/:id/resources", targeted: true, handler: s.listResources},

		{method: get, path: "/v1/certificates/:id", targeted: true, handler: s.getCertificate},
		{method: post, path: "/v1/certificates", targeted: true, stores: true, handler: s.signCertificate},

		{method: patch, path: "/v1/certificates/:id", targeted: true, stores: true, handler: s.rotateCertificate},
		{method: patch, path: "/v1/credentials/:id", rule: "credential:rotate", since: 12, stores: true, handler: s.rotateCredential},

		{method: get, path: "/v1/quotas", rule: "quota:get_all", handler: s.listQuotas},
		{method: post, path: "/v1/quotas", rule: "quota:create", handler: s.createQuota},
		{method: get, path: "/v1/quotas/:project", rule: "quota:get", handler: s.quotaOfProject},
		{method: get, path: "/v1/quotas/:project/:resource", rule: "quota:get", handler: s.getQuota},
		{method: patch, path: "/v1/quotas/:project/:resource", rule: "quota:update", handler: s.updateQuota},
		{method: del, path: "/v1/quotas/:project/:resource", rule: "quota:delete", handler: s.deleteQuota},
		{method: get, path: "/v1/stats", rule: "stats:get_all", handler: s.getStats},

		{method: get, path: "/v1/federations", rule: "federation:get_all", handler: s.listFederations},
		{method: get, path: "/v1/federations/detail", rule: "federation:detail", handler: s.listFederations},
		{method: post, path: "/v1/federations", rule: "federation:create", stores: true, handler: s.createFederation},
		{method: get, path: "/v1/federations/:id", rule: "federation:get", handler: s.noFederation},
		{method: patch, path: "/v1/federations/:id", rule: "federation:update", handler: s.noFederation},
		{method: del, path: "/v1/federations/:id", rule: "federation:delete", handler: s.noFederation},

		{method: get, path: "/v1/mservices", rule: "magnum-service:get_all", handler: s.listServices},
	}
}

// documentPath is where the API describes itself.
const documentPath = "/openapi.yaml"

// public are the paths that need no token.
func (s *Server) public(e *echo.Echo) {
	e.GET("/", s.root)
	e.GET("/v1", s.versionOne, versions)
	e.GET("/healthcheck", s.health)
	e.HEAD("/healthcheck", s.health)
	e.GET(documentPath, func(c echo.Context) error { return c.Blob(http.StatusOK, openapi.MIME, openapi.Document()) })
	e.POST(ops.TokenReviewPath(":id"), s.reviewToken)
	if s.Metrics != nil {
		e.GET("/metrics", echo.WrapHandler(promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{})))
	}
}

func (s *Server) root(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]any{"name": "OpenStack Magnum API",
		"description": "Jeroboam: managed Kubernetes for OpenStack, with Magnum's API.",
		"versions": []any{map[string]any{"id": "v1", "status": "CURRENT", "min_version": "1.1", "max_version": "1.14",
			"links": []any{map[string]string{"href": s.base(c) + "/v1/", "rel": "self"}}}}})
}

func (s *Server) versionOne(c echo.Context) error {
	base := s.base(c)
	doc := map[string]any{"id": "v1",
		"media_types": []any{map[string]string{"base": "application/json", "type": "application/vnd.openstack.magnum.v1+json"}},
		"links": []any{map[string]string{"href": base + "/v1/", "rel": "self"},
			map[string]string{"href": "https://docs.openstack.org/magnum/latest/contributor/api-microversion-history.html", "rel": "describedby", "type": "text/html"}}}
	for name, path := range map[string]string{"clustertemplates": "", "clusters": "", "quotas": "", "certificates": "", "mservices": "", "stats": "",
		"federations": "", "nodegroups": "clusters/{cluster_id}/nodegroups", "credentials": ""} {
		if path == "" {
			path = name
		}
		doc[name] = []any{map[string]string{"href": base + "/v1/" + path + "/", "rel": "self"}, map[string]string{"href": base + "/" + path + "/", "rel": "bookmark"}}
	}
	return c.JSON(http.StatusOK, doc)
}

// health answers load balancers as oslo.middleware's healthcheck does.
func (s *Server) health(c echo.Context) error {
	status, word := http.StatusOK, "OK"
	if _, err := os.Stat(s.cfg.HealthFile); s.cfg.HealthFile != "" && err == nil {
		status, word = http.StatusServiceUnavailable, "DISABLED BY FILE"
	}
	switch accept := c.Request().Header.Get("Accept"); {
	case c.Request().Method == http.MethodHead:
		if status == http.StatusOK {
			status = http.StatusNoContent
		}
		return c.NoContent(status)
	case accept == "application/json":
		return c.JSON(status, map[string]any{"detailed": false, "reasons": []string{word}})
	case accept == "text/html":
		return c.HTML(status, "<HTML><HEAD><TITLE>Healthcheck Status</TITLE></HEAD><BODY><P>"+word+"</P></BODY></HTML>")
	}
	return c.String(status, word)
}
