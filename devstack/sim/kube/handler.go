package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apischema "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

// maxBody is the API server's bound on a request.
const maxBody = 3 << 20

// handler routes what an API server answers.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", s.version)
	for _, check := range []string{"/readyz", "/livez", "/healthz"} {
		mux.HandleFunc("GET "+check, s.health)
	}
	mux.HandleFunc("POST "+joinPath, s.join)
	mux.HandleFunc("/", s.api)
	return mux
}

func (s *server) version(w http.ResponseWriter, _ *http.Request) {
	minor, release := s.cluster.release()
	writeJSON(w, http.StatusOK, version.Info{
		Major: "1", Minor: strconv.Itoa(minor), GitVersion: release, GitTreeState: "clean",
		GoVersion: runtime.Version(), Compiler: runtime.Compiler, Platform: runtime.GOOS + "/" + runtime.GOARCH,
	})
}

// health answers as the real one does: 500 and the failed checks, or ok, at length when asked for.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	status, report := http.StatusOK, "[+]ping ok\n[+]log ok\n"
	if s.cluster.availableAt(s.hostID) == nil {
		report += "[+]etcd ok\n[+]poststarthook/rbac/bootstrap-roles ok\n" + name + " check passed\n"
	} else {
		if s.cluster.clock.Sleep(r.Context(), etcdCheckTimeout) != nil {
			return
		}
		status = http.StatusInternalServerError
		report += "[-]etcd failed: reason withheld\n" + name + " check failed\n"
	}
	if _, verbose := r.URL.Query()["verbose"]; status == http.StatusOK && !verbose {
		report = "ok"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(report))
}

// join hands a host with a good token what it needs to find the cluster.
func (s *server) join(w http.ResponseWriter, r *http.Request) {
	if err := s.etcd(r.Context()); err != nil {
		writeError(w, err)
		return
	}
	if err := s.cluster.checkToken(bearer(r)); err != nil {
		writeError(w, apierrors.NewUnauthorized(err.Error()))
		return
	}
	var request joinRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&request); err != nil {
		writeError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	if err := s.cluster.admit(request); err != nil {
		writeError(w, apierrors.NewForbidden(apischema.GroupResource{Resource: "nodes"}, request.NodeName, err))
		return
	}
	writeJSON(w, http.StatusOK, joinResponse{Invitation: s.memory.invite(s.cluster)})
}

// api answers everything that needs to know who asks.
func (s *server) api(w http.ResponseWriter, r *http.Request) {
	who, err := s.authenticate(r)
	if err != nil {
		writeError(w, err)
		return
	}
	if answer := s.discover(r.URL.Path); answer != nil && r.Method == http.MethodGet {
		if who.name == anonymous {
			writeError(w, apierrors.NewForbidden(apischema.GroupResource{}, "", fmt.Errorf("user %q cannot get path %q", who.name, r.URL.Path)))
			return
		}
		writeJSON(w, http.StatusOK, answer)
		return
	}
	q, err := s.parseQuery(r)
	if err == nil {
		err = s.authorize(who, q)
	}
	if err == nil {
		err = s.dispatch(w, r, q)
	}
	if err != nil {
		writeError(w, err)
	}
}

func (s *server) dispatch(w http.ResponseWriter, r *http.Request, q *query) error {
	if err := s.etcd(r.Context()); err != nil {
		return err
	}
	if q.subresource == "portforward" {
		return s.forward(w, r, q)
	}
	if q.verb == "watch" {
		return s.watch(w, r, q)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	answer, status, err := s.serve(w, r, q)
	if err != nil {
		return err
	}
	writeJSON(w, status, answer)
	return nil
}

func (s *server) serve(w http.ResponseWriter, r *http.Request, q *query) (answer any, status int, err error) {
	switch q.verb {
	case "get":
		answer, err = s.get(q)
	case "list":
		answer, err = s.list(q)
	case "create":
		answer, err = s.create(w, r, q)
		return answer, http.StatusCreated, err
	case "update":
		answer, err = s.update(w, r, q)
	case "patch":
		return s.patch(w, r, q)
	case "delete":
		answer, err = s.delete(r, q)
	case "deletecollection":
		answer, err = s.deleteCollection(r, q)
	}
	return answer, http.StatusOK, err
}

// etcd is what a request fails with, and after how long, when the member of etcd beside this server has no quorum.
func (s *server) etcd(ctx context.Context) error {
	if s.cluster.availableAt(s.hostID) == nil {
		return nil
	}
	if err := s.cluster.clock.Sleep(ctx, etcdRequestTimeout); err != nil {
		return err
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: errEtcd.Error(),
	}}
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		writeError(w, apierrors.NewInternalError(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// writeError answers with the Status of an error.
func writeError(w http.ResponseWriter, err error) {
	var known apierrors.APIStatus
	status := metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: err.Error()}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		status = apierrors.NewRequestEntityTooLargeError(err.Error()).Status()
	case errors.As(err, &known):
		status = known.Status()
	}
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(status.Details.RetryAfterSeconds)))
	}
	writeJSON(w, int(status.Code), status)
}
