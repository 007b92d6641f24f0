package kube

import (
	"net/http"
	"strings"

	apischema "k8s.io/apimachinery/pkg/runtime/schema"
)

// The OpenAPI documents say no more than what kubectl wants to know before it applies anything: that patches take the
// parameter fieldValidation, so that it need not validate by itself.

type openAPIIndex struct {
	Paths map[string]openAPILink `json:"paths"`
}

type openAPILink struct {
	URL string `json:"serverRelativeURL"`
}

type openAPI struct {
	OpenAPI string                            `json:"openapi"`
	Info    map[string]string                 `json:"info"`
	Paths   map[string]map[string]openAPIVerb `json:"paths"`
}

type openAPIVerb struct {
	OperationID string             `json:"operationId"`
	Kind        openAPIKind        `json:"x-kubernetes-group-version-kind"`
	Parameters  []openAPIParameter `json:"parameters"`
	Responses   map[string]any     `json:"responses"`
}

type openAPIKind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

type openAPIParameter struct {
	Name   string            `json:"name"`
	In     string            `json:"in"`
	Schema map[string]string `json:"schema"`
}

const openAPIPath = "/openapi/v3"

// describe answers below openAPIPath; nil when there is no such document.
func (s *server) describe(path string) any {
	wanted := strings.Trim(strings.TrimPrefix(path, openAPIPath), "/")
	index := openAPIIndex{Paths: map[string]openAPILink{}}
	for _, version := range append(s.cluster.schema.versions(), apischema.GroupVersion{Version: "v1"}) {
		root := strings.TrimPrefix(rootOf(version), "/")
		if root == wanted {
			return s.describeVersion(version)
		}
		index.Paths[root] = openAPILink{URL: openAPIPath + "/" + root}
	}
	if wanted != "" {
		return nil
	}
	return index
}

func (s *server) describeVersion(version apischema.GroupVersion) openAPI {
	_, release := s.cluster.release()
	document := openAPI{
		OpenAPI: "3.0.0", Info: map[string]string{"title": "Kubernetes", "version": release},
		Paths: map[string]map[string]openAPIVerb{},
	}
	for _, k := range s.cluster.schema.kinds {
		if k.GroupVersion() != version {
			continue
		}
		path := rootOf(version)
		if k.namespaced {
			path += "/namespaces/{namespace}"
		}
		document.Paths[path+"/"+k.plural+"/{name}"] = map[string]openAPIVerb{"patch": {
			OperationID: "patch" + k.Kind,
			Kind:        openAPIKind{Group: k.Group, Version: k.Version, Kind: k.Kind},
			Parameters:  []openAPIParameter{{Name: "fieldValidation", In: "query", Schema: map[string]string{"type": "string"}}},
			Responses:   map[string]any{"200": map[string]string{"description": http.StatusText(http.StatusOK)}},
		}}
	}
	return document
}

// rootOf is where the resources of a version are.
func rootOf(version apischema.GroupVersion) string {
	if version.Group == "" {
		return "/api/" + version.Version
	}
	return "/apis/" + version.String()
}
