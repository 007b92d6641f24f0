package api

import (
	"regexp"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/api/openapi"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
)

// The document names every route, and no other.
func TestDocumentHasTheRoutes(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Document())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var documented []string
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			documented = append(documented, method+" "+path)
			if o.Summary == "" || len(o.Tags) == 0 {
				t.Errorf("%s %s has no summary or no tag", method, path)
			}
		}
	}
	served := []string{"GET /", "GET /v1", "GET /healthcheck", "GET " + documentPath, "POST " + ops.TokenReviewPath("{id}")}
	parameter := regexp.MustCompile(`:([a-z]+)`)
	for _, r := range new(Server).currentRoutes() {
		served = append(served, r.method+" "+parameter.ReplaceAllString(r.path, "{$1}"))
	}
	slices.Sort(documented)
	slices.Sort(served)
	if d := cmp.Diff(served, documented); d != "" {
		t.Errorf("the route table and the document (-served +documented):\n%s", d)
	}
}
