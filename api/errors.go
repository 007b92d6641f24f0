package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/api/patch"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// Error is an answer that is not a success: a status and a sentence for the user.
type Error struct {
	Status int
	Detail string
}

func (e *Error) Error() string { return e.Detail }

func fail(status int, format string, args ...any) error {
	return &Error{Status: status, Detail: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return fail(http.StatusBadRequest, format, args...)
}

func notFound(what, ident string) error {
	return fail(http.StatusNotFound, "%s %s could not be found.", what, ident)
}

// errorBody is Magnum's error document.
type errorBody struct {
	Errors []errorItem `json:"errors"`
}

type errorItem struct {
	RequestID string   `json:"request_id"`
	Code      string   `json:"code"`
	Status    int      `json:"status"`
	Title     string   `json:"title"`
	Detail    string   `json:"detail"`
	Links     []string `json:"links"`
}

// writeError is the one place where an error becomes an answer. What nobody expected is a 500 whose details are in the log
// under the request id.
func writeError(c echo.Context, err error) {
	if c.Response().Committed {
		return
	}
	var version *versionError
	if errors.As(err, &version) {
		_ = c.JSON(http.StatusNotAcceptable, version.body())
		return
	}
	status, detail, routing := classify(err)
	detail = strings.NewReplacer("\r", "", "\n", " ").Replace(detail)
	ctx := c.Request().Context()
	if status >= 500 && !errors.Is(err, context.Canceled) {
		log.From(ctx).Error("request failed", zap.Error(err))
	}
	item := errorItem{RequestID: requestID(c), Code: "client", Status: status, Title: title(detail), Detail: detail, Links: []string{}}
	switch {
	case routing:
		item.Code, item.Title, item.Detail = "", http.StatusText(status), detail
	case status == http.StatusNotAcceptable: // no controller was asked
		item.Code = ""
	case status >= 500:
		item.Code = "server"
	}
	if c.Request().Method == http.MethodHead {
		_ = c.NoContent(status)
		return
	}
	_ = c.JSON(status, errorBody{Errors: []errorItem{item}})
}

// title is the whole sentence. Magnum cuts it at its first full stop, but `openstack coe` shows the title only: cut, it
// would not say which value was wrong.
func title(detail string) string { return strings.TrimSuffix(detail, ".") }

func classify(err error) (status int, detail string, routing bool) {
	var own *Error
	var web *echo.HTTPError
	var bad *patch.Error
	var state *ops.StatusError
	var refused *ops.RefusedError
	var quota *db.QuotaError
	var nodes *db.NodeQuotaError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &own):
		return own.Status, own.Detail, false
	case errors.As(err, &bad), errors.As(err, &state), errors.As(err, &refused):
		return http.StatusBadRequest, err.Error(), false
	case errors.As(err, &quota):
		return http.StatusForbidden, fmt.Sprintf("Resource limit exceeded: You have reached the maximum clusters per project, %d. You may delete a cluster to make room for a new one.", quota.Limit), false
	case errors.As(err, &nodes):
		return http.StatusForbidden, fmt.Sprintf("Resource limit exceeded: the project's quota of bare-metal nodes is %d, %d are in use, and this needs %d more.", nodes.Limit, nodes.Used, nodes.More), false
	case errors.As(err, &syntax):
		return http.StatusBadRequest, "Request is not in valid JSON format", false
	case errors.Is(err, db.ErrBadSortKey), errors.Is(err, db.ErrBadMarker):
		return http.StatusBadRequest, err.Error(), false
	case errors.As(err, &web):
		detail, _ := web.Message.(string)
		if web.Code == http.StatusNotFound || web.Code == http.StatusMethodNotAllowed {
			detail = ""
		}
		return web.Code, detail, true
	case cloud.IsUnreachable(err):
		return http.StatusServiceUnavailable, "A service of the cloud does not answer; try again later: " + service(err), false
	case drivers.ClassOf(err) == drivers.ClassUser:
		return http.StatusBadRequest, err.Error(), false
	}
	return http.StatusInternalServerError, "An internal error occurred; the operator finds it in the log by the request id.", false
}

func service(err error) string {
	var e *cloud.Error
	if errors.As(err, &e) {
		return e.Service
	}
	return "unknown"
}
