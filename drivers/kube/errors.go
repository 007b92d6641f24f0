package kube

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

// Errors of a cluster's API; ask with errors.Is.
var (
	// ErrUnreachable: no answer came. Nothing listens, the network is cut, TLS fails (also for a certificate of another
	// authority), or time ran out. Whether a write was done is then unknown.
	ErrUnreachable = errors.New("the cluster's api cannot be reached")
	// ErrUnauthorized: the API answers and does not know our certificate.
	ErrUnauthorized = errors.New("the cluster's api refuses our credentials")
	// ErrNotFound: the object is not there.
	ErrNotFound = errors.New("not in the cluster")
	// ErrEtcdUnavailable: the API answers, but no member of etcd does, or those that do have no leader or not the quorum
	// for what was asked. Whether a write was done is then unknown.
	ErrEtcdUnavailable = errors.New("the cluster's etcd does not answer")
)

var errTooLarge = fmt.Errorf("the answer has more than %d MiB", maxAnswer>>20)

// NotReadyError means that the API answers and says itself that it is not ready.
type NotReadyError struct {
	Status int      // of the answer
	Checks []string // that failed, where it tells
}

func (e *NotReadyError) Error() string {
	if len(e.Checks) == 0 {
		return fmt.Sprintf("the cluster's api is not ready: it answers with status %d", e.Status)
	}
	return "the cluster's api is not ready: " + strings.Join(e.Checks, ", ")
}

// EtcdQuorumError means that a member was not removed, for what remains would have no quorum.
type EtcdQuorumError struct {
	Node            string // whose member was to be removed
	Healthy, Quorum int    // members that would remain and are healthy, and how many of them etcd would need
}

func (e *EtcdQuorumError) Error() string {
	return fmt.Sprintf("the etcd member of %s was not removed: etcd would have %d healthy members and needs %d", e.Node, e.Healthy, e.Quorum)
}

// EtcdUnhealthyError means that etcd answers and is not as it is wanted.
type EtcdUnhealthyError struct {
	Problems []string // in words, each with the member that it is about
}

func (e *EtcdUnhealthyError) Error() string {
	return "etcd is not healthy: " + strings.Join(e.Problems, "; ")
}

// Transient tells that the same call may well succeed later without anything being done about it.
func Transient(err error) bool {
	var notReady *NotReadyError
	var quorum *EtcdQuorumError
	var unhealthy *EtcdUnhealthyError
	if errors.Is(err, ErrUnreachable) || errors.Is(err, ErrEtcdUnavailable) || meta.IsNoMatchError(err) ||
		errors.As(err, &notReady) || errors.As(err, &quorum) || errors.As(err, &unhealthy) {
		return true
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code
	return code >= http.StatusInternalServerError || code == http.StatusTooManyRequests || code == http.StatusConflict
}

// wrap says what was attempted and whose fault the outcome is. A caller that gave up is not an unreachable cluster.
func wrap(ctx context.Context, err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", what, context.Canceled)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: %w: %w", what, ErrUnauthorized, err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: %w: %w", what, ErrNotFound, err)
	case unreachable(err):
		return fmt.Errorf("%s: %w: %w", what, ErrUnreachable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// unreachable tells that an error is from below HTTP. The HTTP client wraps those in url.Error, which is a net.Error; what
// the API itself answered never is.
func unreachable(err error) bool {
	var network net.Error
	var verification *tls.CertificateVerificationError
	return errors.As(err, &network) || errors.As(err, &verification) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
