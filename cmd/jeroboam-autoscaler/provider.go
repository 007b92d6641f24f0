package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/gophercloud/gophercloud/v2"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/internal/externalgrpc"
)

// provider answers cluster-autoscaler about one cluster. The API is asked once for all that one round wants to know.
type provider struct {
	externalgrpc.UnimplementedCloudProviderServer

	api     *containerinfra.Client
	nova    *gophercloud.ServiceClient
	cluster string // UUID
	log     *zap.Logger

	mu      sync.Mutex // calls come side by side: one of them asks, and changes are made one after the other
	seen    *view      // nil: to be asked for
	flavors []flavor   // they do not change; asked for when one is not among them
}

// view is what the API has told.
func (p *provider) view(ctx context.Context) (*view, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.look(ctx)
}

// look is view for those who hold the lock.
func (p *provider) look(ctx context.Context) (*view, error) {
	if p.seen == nil {
		v, err := p.ask(ctx)
		if err != nil {
			return nil, err
		}
		p.seen = v
	}
	return p.seen, nil
}

// Refresh begins a round.
func (p *provider) Refresh(ctx context.Context, _ *externalgrpc.RefreshRequest) (*externalgrpc.RefreshResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = nil
	_, err := p.look(ctx)
	return &externalgrpc.RefreshResponse{}, err
}

// Cleanup has nothing to do: nothing is kept for a caller.
func (p *provider) Cleanup(context.Context, *externalgrpc.CleanupRequest) (*externalgrpc.CleanupResponse, error) {
	return &externalgrpc.CleanupResponse{}, nil
}

// intercept is around every call: the one place where an error becomes a code.
func (p *provider) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	answer, err := handle(ctx, req)
	err = asStatus(err)
	method := zap.String("method", info.FullMethod[strings.LastIndex(info.FullMethod, "/")+1:])
	switch code := status.Code(err); code {
	case codes.OK:
		p.log.Debug("call", method)
	case codes.Unimplemented:
		p.log.Debug("not implemented", method)
	default:
		p.log.Warn("call failed", method, zap.Stringer("code", code), zap.String("error", status.Convert(err).Message()))
	}
	return answer, err
}

// asStatus gives what the API said the code that fits.
func asStatus(err error) error {
	if _, is := status.FromError(err); is {
		return err
	}
	var told *containerinfra.Error
	if !errors.As(err, &told) {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return status.FromContextError(err).Err()
		}
		return status.Error(codes.Unavailable, err.Error())
	}
	code := codes.Internal
	switch {
	case told.Status == http.StatusBadRequest, told.Status == http.StatusConflict: // bounds, or what is under way
		code = codes.FailedPrecondition
	case told.Status == http.StatusUnauthorized:
		code = codes.Unauthenticated
	case told.Status == http.StatusForbidden && strings.HasPrefix(told.Detail, "Resource limit exceeded"):
		code = codes.ResourceExhausted
	case told.Status == http.StatusForbidden:
		code = codes.PermissionDenied
	case told.Status == http.StatusNotFound:
		code = codes.NotFound
	case told.Status == http.StatusTooManyRequests, told.Status == http.StatusBadGateway, told.Status == http.StatusServiceUnavailable, told.Status == http.StatusGatewayTimeout:
		code = codes.Unavailable
	}
	return status.Error(code, err.Error())
}
