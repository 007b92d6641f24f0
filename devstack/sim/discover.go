package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// maxMinor is the highest microversion that is answered to, that of the 2023.1 release. Without one the lowest is meant.
var maxMinor = map[string]int{"compute": 95, "placement": 39, "baremetal": 82, "shared-file-system": 78}

func version(minor int) string { return fmt.Sprintf("2.%d", minor) }

// discover answers at the roots of a service with its versions, and everywhere else that nothing is there.
func (c *Cloud) discover(w http.ResponseWriter, r *http.Request, s *service, root string) {
	q := &call{Cloud: c, svc: s, r: r, url: c.reachedAt(r), header: http.Header{}, status: http.StatusOK}
	base := strings.TrimSuffix(strings.ReplaceAll(s.prefix, "/{project_id}", ""), "/")
	rel := strings.Trim(strings.TrimPrefix(r.URL.Path, root), "/")
	last := base[strings.LastIndex(base, "/")+1:]
	one := s.document(q.url+base, last)
	var body any
	if s.kind == "baremetal" {
		q.ironicHeaders()
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead, rel != "" && root+rel != base:
		q.answer(w, nil, fail(http.StatusNotFound, "HTTPNotFound", "The resource could not be found."))
		return
	case rel != "" && (s.kind == "network" || s.kind == "image"):
		q.answer(w, nil, fail(http.StatusNotFound, "HTTPNotFound", "The resource could not be found."))
		return
	case rel != "" && s.kind == "baremetal":
		body = doc{"id": "v1", "version": one, "links": one["links"], "media_types": doc{"base": "application/json", "type": "application/vnd.openstack.ironic.v1+json"}}
		for _, part := range []string{"nodes", "ports", "portgroups", "allocations", "conductors", "drivers"} {
			body.(doc)[part] = q.metalLinks(part, "")
		}
	case s.kind == "baremetal":
		body = doc{"name": "OpenStack Ironic API", "description": "Ironic is an OpenStack project which enables the provision and management of baremetal machines.", "default_version": one, "versions": []doc{one}}
	case s.kind == "shared-file-system":
		body = doc{"versions": []doc{one}}
		if rel == "" {
			q.status = http.StatusMultipleChoices
		}
	case rel != "":
		body = doc{"version": one}
	case s.kind == "identity" || s.kind == "key-manager":
		body = doc{"versions": doc{"values": []doc{one}}}
		q.status = http.StatusMultipleChoices
	case s.kind == "load-balancer":
		body = doc{"versions": octaviaVersions(one)}
	default:
		body = doc{"versions": []doc{one}}
	}
	raw, err := json.Marshal(body)
	q.answer(w, raw, err)
}

// octaviaVersions are all that there are of the one API, by which clients tell what it can do.
func octaviaVersions(one doc) []doc {
	const newest = 26 // of the 2023.1 release
	var out []doc
	for minor := range newest + 1 {
		d := doc{"id": "v" + version(minor), "status": "SUPPORTED", "updated": one["updated"], "links": one["links"]}
		if minor == newest {
			d["status"] = "CURRENT"
		}
		out = append(out, d)
	}
	return out
}

// document describes the service's one version.
func (s *service) document(url, id string) doc {
	if s.kind == "placement" {
		id = "v1.0"
	}
	out := doc{"id": id, "status": "CURRENT", "updated": "2023-01-01T00:00:00Z", "links": []doc{{"rel": "self", "href": url + "/"}}}
	switch s.kind {
	case "identity":
		out["id"], out["status"] = "v3.14", "stable"
	case "compute":
		out["version"], out["min_version"] = version(maxMinor["compute"]), "2.1"
	case "block-storage":
		out["id"], out["version"], out["min_version"] = "v3.0", "3.70", "3.0"
	case "shared-file-system":
		out["id"], out["version"], out["min_version"] = "v2.0", version(maxMinor["shared-file-system"]), "2.0"
	case "baremetal":
		out["version"], out["min_version"] = fmt.Sprintf("1.%d", maxMinor["baremetal"]), "1.1"
	case "placement":
		out["max_version"], out["min_version"] = fmt.Sprintf("1.%d", maxMinor["placement"]), "1.0"
	}
	return out
}
