package api

import (
	"errors"
	"net/http"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
)

// finding is something wrong with a request, and the field of its body that it belongs to.
type finding struct {
	field string
	err   error
}

func (f *finding) Error() string { return f.err.Error() }

func (f *finding) Unwrap() error { return f.err }

// about says which field an error belongs to.
func about(field string, err error) error {
	if err == nil {
		return nil
	}
	return &finding{field, err}
}

// findings collects what is wrong with a request. Joined, they are one error: an answer tells the first, preflight all.
type findings struct{ err error }

// add keeps what is the request's fault. What is not, it gives back: nothing more can be found out then.
func (f *findings) add(err error) (fatal error) {
	if err == nil {
		return nil
	}
	if status, _, _ := classify(err); status >= http.StatusInternalServerError || status == http.StatusUnauthorized {
		return err
	}
	f.err = errors.Join(f.err, err)
	return nil
}

// problems takes joined findings apart. One without a field is put under the one given.
func problems(err error, field string) []wire.Problem {
	if err == nil {
		return nil
	}
	switch x := err.(type) { //nolint:errorlint // the tree is walked, node by node
	case *finding:
		return problems(x.err, x.field)
	case interface{ Unwrap() []error }:
		var out []wire.Problem
		for _, e := range x.Unwrap() {
			out = append(out, problems(e, field)...)
		}
		return out
	}
	_, detail, _ := classify(err)
	return []wire.Problem{{Field: field, Severity: wire.SeverityError, Message: detail}}
}
