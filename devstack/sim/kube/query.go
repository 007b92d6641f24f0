package kube

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	apischema "k8s.io/apimachinery/pkg/runtime/schema"
)

// query is what a request is about.
type query struct {
	verb        string
	kind        *kind
	namespace   string
	name        string
	subresource string
	labels      labels.Selector
	fields      fields.Selector
	table       bool   // the answer is to be a Table
	include     string // what a Table's rows carry
	dryRun      bool
	strict      bool // unknown fields are an error
	silent      bool // they are not even warned of
	manager     string
	force       bool
}

func (q *query) writes() bool { return !slices.Contains([]string{"get", "list", "watch"}, q.verb) }

// isClusterInfo tells the one object that is public: joining hosts read it.
func (q *query) isClusterInfo() bool {
	return q.verb == "get" && q.kind.Kind == "ConfigMap" && q.namespace == publicNamespace && q.name == "cluster-info"
}

func apierrorsResource(q *query) apischema.GroupResource {
	resource := q.kind.groupResource()
	if q.subresource != "" {
		resource.Resource += "/" + q.subresource
	}
	return resource
}

func errNoPath() error {
	err := apierrors.NewGenericServerResponse(http.StatusNotFound, "", apischema.GroupResource{}, "", "404 page not found", 0, true)
	err.ErrStatus.Message = "the server could not find the requested resource"
	return err
}

// parseQuery reads /api/v1/… and /apis/<group>/<version>/….
func (s *server) parseQuery(r *http.Request) (*query, error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var group, version string
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		version, parts = parts[1], parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		group, version, parts = parts[1], parts[2], parts[3:]
	default:
		return nil, errNoPath()
	}
	q := &query{}
	if parts[0] == "namespaces" && len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
		q.namespace, parts = parts[1], parts[2:]
	}
	q.kind = s.cluster.schema.find(group, version, parts[0])
	if q.kind == nil || q.namespace != "" && !q.kind.namespaced || len(parts) > 3 {
		return nil, errNoPath()
	}
	if len(parts) > 1 {
		q.name = parts[1]
	}
	if len(parts) > 2 {
		q.subresource = parts[2]
	}
	if err := q.setVerb(r); err != nil {
		return nil, err
	}
	return q, q.setParameters(r)
}

func (q *query) setVerb(r *http.Request) error {
	watching := isTrue(r.URL.Query().Get("watch"))
	verbs := map[string]string{
		http.MethodGet: "get", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
	}
	if q.name == "" {
		verbs = map[string]string{http.MethodGet: "list", http.MethodPost: "create", http.MethodDelete: "deletecollection"}
		if watching {
			verbs[http.MethodGet] = "watch"
		}
	}
	switch {
	case q.subresource == "":
	case q.subresource == "status" && q.kind.status:
		delete(verbs, http.MethodDelete)
	case q.subresource == "approval" && q.kind.Kind == "CertificateSigningRequest":
		verbs = map[string]string{http.MethodGet: "get", http.MethodPut: "update"}
	case q.subresource == "portforward" && q.kind.Kind == "Pod":
		verbs = map[string]string{http.MethodPost: "create", http.MethodGet: "create"} // the latter for websockets
	case q.subresource == "eviction" && q.kind.Kind == "Pod":
		verbs = map[string]string{http.MethodPost: "create"}
	default:
		return errNoPath()
	}
	q.verb = verbs[r.Method]
	if q.verb == "" || q.kind.namespaced && q.namespace == "" && (q.name != "" || q.verb == "create" || q.verb == "deletecollection") {
		return apierrors.NewMethodNotSupported(q.kind.groupResource(), strings.ToLower(r.Method))
	}
	return nil
}

func (q *query) setParameters(r *http.Request) error {
	values := r.URL.Query()
	var err error
	if q.labels, err = labels.Parse(values.Get("labelSelector")); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if q.fields, err = fields.ParseSelector(values.Get("fieldSelector")); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	for _, requirement := range q.fields.Requirements() {
		if !selectable(q.kind, requirement.Field) {
			return apierrors.NewBadRequest(fmt.Sprintf("field label not supported: %s", requirement.Field))
		}
	}
	switch validation := values.Get("fieldValidation"); validation {
	case "Strict":
		q.strict = true
	case "Ignore":
		q.silent = true
	case "", "Warn":
	default:
		return apierrors.NewBadRequest(fmt.Sprintf("fieldValidation: unsupported value %q", validation))
	}
	accept := r.Header.Get("Accept")
	q.table, q.include = strings.Contains(accept, "as=Table"), values.Get("includeObject")
	q.dryRun = values.Get("dryRun") == "All"
	q.force = isTrue(values.Get("force"))
	q.manager = values.Get("fieldManager")
	if q.manager == "" {
		q.manager, _, _ = strings.Cut(r.UserAgent(), "/")
	}
	return nil
}

func isTrue(value string) bool { return value == "true" || value == "1" }

// selectable tells the fields that a kind can be listed by.
func selectable(k *kind, field string) bool {
	switch field {
	case "metadata.name":
		return true
	case "metadata.namespace":
		return k.namespaced
	case "spec.nodeName", "status.phase":
		return k.Kind == "Pod"
	case "spec.unschedulable":
		return k.Kind == "Node"
	case "spec.signerName":
		return k.Kind == "CertificateSigningRequest"
	case "type":
		return k.Kind == "Secret"
	case "involvedObject.name", "involvedObject.kind", "involvedObject.namespace", "involvedObject.uid", "reason":
		return k.Kind == "Event"
	default:
		return false
	}
}

// selects tells whether an object is among what the request is about.
func (q *query) selects(o object) bool {
	if o == nil || q.namespace != "" && o.GetNamespace() != q.namespace || !q.labels.Matches(labels.Set(o.GetLabels())) {
		return false
	}
	return q.fields.Empty() || q.fields.Matches(fieldsOf{o})
}

// fieldsOf finds fields by their dotted paths.
type fieldsOf struct{ o object }

func (f fieldsOf) Has(field string) bool { return f.Get(field) != "" }

func (f fieldsOf) Get(field string) string {
	var value any = f.o.Object
	for part := range strings.SplitSeq(field, ".") {
		inner, ok := value.(map[string]any)
		if !ok {
			return ""
		}
		value = inner[part]
	}
	if value == nil {
		if field == "spec.unschedulable" {
			return "false"
		}
		return ""
	}
	return fmt.Sprint(value)
}
