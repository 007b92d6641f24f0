package log

import (
	"context"
	"regexp"

	"github.com/google/uuid"
	"go.uber.org/zap"
)

// The names of the fields that tell what a line belongs to.
const (
	keyRequest   = "request_id"
	keyUser      = "user_id"
	keyProject   = "project_id"
	keyCluster   = "cluster_uuid"
	keyOperation = "operation_id"
)

// RequestID is the field for the id of the API request, "req-…".
func RequestID(id string) zap.Field { return zap.String(keyRequest, id) }

// UserID is the field for the id of the user who asked.
func UserID(id string) zap.Field { return zap.String(keyUser, id) }

// ProjectID is the field for the id of the project acted for.
func ProjectID(id string) zap.Field { return zap.String(keyProject, id) }

// ClusterUUID is the field for the UUID of the cluster acted on.
func ClusterUUID(id string) zap.Field { return zap.String(keyCluster, id) }

// OperationID is the field for the id of the operation that is being worked on.
func OperationID(id string) zap.Field { return zap.String(keyOperation, id) }

type contextKey struct{}

// Into returns a context whose logger is the one given.
func Into(ctx context.Context, logger *zap.Logger) context.Context {
	return context.WithValue(ctx, contextKey{}, logger)
}

// From returns the logger of the context, or one that writes nothing.
func From(ctx context.Context) *zap.Logger {
	if logger, ok := ctx.Value(contextKey{}).(*zap.Logger); ok {
		return logger
	}
	return zap.NewNop()
}

// With returns a context whose logger adds the fields to every line. A field
// replaces an earlier one of the same name.
func With(ctx context.Context, fields ...zap.Field) context.Context {
	return Into(ctx, From(ctx).With(fields...))
}

var requestIDForm = regexp.MustCompile(`^req-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// NewRequestID makes an id for a request that came without one.
func NewRequestID() string { return "req-" + uuid.NewString() }

// ValidRequestID tells whether an id from outside has the form of NewRequestID,
// the only one that is taken over into logs and answers.
func ValidRequestID(id string) bool { return requestIDForm.MatchString(id) }
