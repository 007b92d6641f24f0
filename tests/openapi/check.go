// Package openapi holds what tests send to the API, and what they get, to the document that the API serves.
package openapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	document "github.com/jeroboam-cloud/jeroboam/api/openapi"
)

// Exchange is a request and its answer.
type Exchange struct {
	Method, URL string
	Header      http.Header
	Body        []byte

	Status       int
	AnswerHeader http.Header
	Answer       []byte
}

// router finds the operation of a request in the document.
var router = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document.Document())
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // any address
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder(document.MIME, openapi3filter.FileBodyDecoder)
	return gorillamux.NewRouter(doc)
})

// Check fails the test when the document does not have the answer, or has not the request although it was accepted.
func Check(t testing.TB, x Exchange) {
	t.Helper()
	if x.Method == http.MethodHead || x.Method == http.MethodOptions {
		return // of these only headers come back
	}
	if err := x.check(t.Context()); err != nil {
		t.Errorf("%s %s → %d is not as the API's document says: %v\nsent: %s\ngot: %s", x.Method, x.URL, x.Status, err, x.Body, x.Answer)
	}
}

func (x Exchange) check(ctx context.Context) error {
	find, err := router()
	if err != nil {
		return err
	}
	u, err := url.Parse(x.URL)
	if err != nil {
		return err
	}
	u.Path, u.RawPath = today(u.Path), ""
	sent := &http.Request{Method: x.Method, URL: u, Host: u.Host, Header: x.Header.Clone(), Body: io.NopCloser(bytes.NewReader(renewed(x.Body)))}
	if len(x.Body) > 0 && sent.Header.Get("Content-Type") == "" {
		sent.Header.Set("Content-Type", "application/json")
	}
	route, parameters, err := find.FindRoute(sent)
	if err != nil {
		if x.Status >= http.StatusBadRequest {
			return nil
		}
		return err
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true}
	in := &openapi3filter.RequestValidationInput{Request: sent, PathParams: parameters, Route: route, Options: options}
	if x.Status < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(ctx, in); err != nil {
			return errors.Join(errors.New("the request was accepted"), err)
		}
	}
	return openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: x.Status, Header: x.AnswerHeader,
		Body: io.NopCloser(bytes.NewReader(renewed(x.Answer))), Options: options})
}

// today is a path in the form in which the document has it.
func today(path string) string {
	p := strings.TrimSuffix(path, "/")
	switch first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/"); {
	case p == "":
		return "/"
	case first != "v1" && first != "healthcheck" && first != "openapi.yaml":
		p = "/v1" + p
	}
	return oldNames.Replace(p)
}

// oldNames are those that clusters and templates had before.
var oldNames = strings.NewReplacer("/v1/baymodels", "/v1/clustertemplates", "/v1/bays", "/v1/clusters",
	`"baymodels":`, `"clustertemplates":`, `"bays":`, `"clusters":`, `"baymodel_id":`, `"cluster_template_id":`, `"bay_create_timeout":`, `"create_timeout":`)

// renewed is a document with today's names.
func renewed(body []byte) []byte { return []byte(oldNames.Replace(string(body))) }
