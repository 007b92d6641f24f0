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
)

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

// Transient tells that the same call may well succeed later without anything being done about it.
func Transient(err error) bool {
	var notReady *NotReadyError
	if errors.Is(err, ErrUnreachable) || errors.As(err, &notReady) || meta.IsNoMatchError(err) {
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
