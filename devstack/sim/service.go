package sim

import (
	"fmt"
	"html"
	"net/http"
)

// service is one of the cloud's.
type service struct {
	kind, name string // type in the catalogue, name of the project
	prefix     string // of its paths, with the version
	page       int    // rows in a page unless the request says otherwise; 0: all
	newest     bool   // whether lists have the newest first
	routes     []route
	// shape is how its errors look; kind is the problem's, where the service has types of errors
	shape func(p *problem) any
	// paged is how its lists look
	paged func(collection string, rows []doc, next string) doc
}

// route is one call of an API. do runs with Cloud.mu held, unless the route is free.
type route struct {
	method, path string
	code         int // of success
	do           func(*call) (any, error)
	public       bool // needs no token
}

// problem is an error that a service answers with.
type problem struct {
	status        int
	kind, message string
}

func (p *problem) Error() string { return p.message }

func fail(status int, kind, format string, args ...any) error {
	return &problem{status: status, kind: kind, message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return fail(http.StatusBadRequest, "BadRequest", format, args...)
}

func keystoneShape(p *problem) any {
	return doc{"error": doc{"code": p.status, "message": p.message, "title": http.StatusText(p.status)}}
}

// novaShape is Cinder's as well.
func novaShape(p *problem) any {
	title := map[int]string{
		400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
		409: "conflictingRequest", 413: "overLimit", 503: "serviceUnavailable",
	}[p.status]
	if title == "" {
		title = "computeFault"
	}
	inner := doc{"code": p.status, "message": p.message}
	if p.status == http.StatusRequestEntityTooLarge {
		inner["retryAfter"] = "0"
	}
	return doc{title: inner}
}

func neutronShape(p *problem) any {
	return doc{"NeutronError": doc{"type": p.kind, "message": p.message, "detail": ""}}
}

// glanceShape is a page for people, as Glance's own is.
func glanceShape(p *problem) any {
	title := fmt.Sprintf("%d %s", p.status, http.StatusText(p.status))
	return []byte("<html>\n <head>\n  <title>" + title + "</title>\n </head>\n <body>\n  <h1>" + title + "</h1>\n  " +
		html.EscapeString(p.message) + "<br /><br />\n\n\n\n </body>\n</html>")
}

func octaviaShape(p *problem) any {
	side := "Client"
	if p.status >= 500 {
		side = "Server"
	}
	return doc{"faultcode": side, "faultstring": p.message, "debuginfo": nil}
}

func barbicanShape(p *problem) any {
	return doc{"code": p.status, "title": http.StatusText(p.status), "description": p.message}
}

func placementShape(p *problem) any {
	return doc{"errors": []doc{{"status": p.status, "title": http.StatusText(p.status), "detail": p.message}}}
}

func keystonePage(collection string, rows []doc, _ string) doc {
	return doc{collection: rows, "links": doc{"next": nil, "previous": nil, "self": nil}}
}

// linkedPage is Nova's, Neutron's, Cinder's and Octavia's.
func linkedPage(collection string, rows []doc, next string) doc {
	out := doc{collection: rows}
	if next != "" {
		out[collection+"_links"] = []doc{{"rel": "next", "href": next}}
	}
	return out
}

func glancePage(collection string, rows []doc, next string) doc {
	out := doc{collection: rows, "first": "/v2/" + collection, "schema": "/v2/schemas/" + collection}
	if next != "" {
		out["next"] = next
	}
	return out
}

func barbicanPage(collection string, rows []doc, next string) doc {
	out := doc{collection: rows, "total": len(rows)}
	if next != "" {
		out["next"] = next
	}
	return out
}

// services lists them all. The prefixes are where a development cloud has them.
func services() []*service {
	return []*service{
		{kind: "identity", name: "keystone", prefix: "/identity/v3", routes: identityRoutes(), shape: keystoneShape, paged: keystonePage},
		{kind: "compute", name: "nova", prefix: "/compute/v2.1", page: 1000, newest: true, routes: computeRoutes(), shape: novaShape, paged: linkedPage},
		{kind: "network", name: "neutron", prefix: "/networking/v2.0", routes: networkRoutes(), shape: neutronShape, paged: linkedPage},
		{kind: "image", name: "glance", prefix: "/image/v2", page: 25, newest: true, routes: imageRoutes(), shape: glanceShape, paged: glancePage},
		{kind: "block-storage", name: "cinder", prefix: "/volume/v3/{project_id}", page: 1000, newest: true, routes: volumeRoutes(), shape: novaShape, paged: linkedPage},
		{kind: "shared-file-system", name: "manila", prefix: "/share/v2", routes: shareRoutes(), shape: novaShape, paged: linkedPage},
		{kind: "load-balancer", name: "octavia", prefix: "/load-balancer/v2", page: 1000, routes: loadBalancerRoutes(), shape: octaviaShape, paged: linkedPage},
		{kind: "key-manager", name: "barbican", prefix: "/key-manager/v1", page: 10, routes: secretRoutes(), shape: barbicanShape, paged: barbicanPage},
		{kind: "baremetal", name: "ironic", prefix: "/baremetal/v1", routes: baremetalRoutes(), shape: ironicShape, paged: ironicPage},
		{kind: "placement", name: "placement", prefix: "/placement", routes: placementRoutes(), shape: placementShape, paged: keystonePage},
	}
}
