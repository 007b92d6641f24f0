package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
)

// Error is a service's refusal: which service, what was attempted, and its own words.
type Error struct {
	Service string // as its API names itself: compute, network, …
	Action  string // what was attempted: «creating port x»
	Status  int    // HTTP; 0 when there was no answer
	Message string // the service's own words
	Err     error
}

func (e *Error) Error() string {
	switch {
	case e.Status == 0:
		return fmt.Sprintf("%s: %s: %v", e.Service, e.Action, e.Err)
	case e.Message == "":
		return fmt.Sprintf("%s: %s: HTTP %d", e.Service, e.Action, e.Status)
	default:
		return fmt.Sprintf("%s: %s: %s (HTTP %d)", e.Service, e.Action, e.Message, e.Status)
	}
}

// Unwrap gives gophercloud's error.
func (e *Error) Unwrap() error { return e.Err }

// wrap makes an *Error of gophercloud's; nil stays nil.
func wrap(service string, err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	e := &Error{Service: service, Action: fmt.Sprintf(format, args...), Err: err}
	err = underneath(err)
	var code gophercloud.ErrUnexpectedResponseCode
	var missing gophercloud.ErrResourceNotFound
	switch {
	case errors.As(err, &code):
		e.Status, e.Message = code.Actual, message(code.Body)
	case errors.As(err, &missing):
		e.Status, e.Message = http.StatusNotFound, missing.Error()
	}
	return e
}

// underneath is what went wrong when a token had run out: gophercloud logs in again, and its errors about that unwrap to
// nothing.
func underneath(err error) error {
	var refused *gophercloud.ErrUnableToReauthenticate
	var after *gophercloud.ErrErrorAfterReauthentication
	switch {
	case errors.As(err, &refused):
		return refused.ErrReauth
	case errors.As(err, &after):
		return after.ErrOriginal
	}
	return err
}

// message digs the sentence out of the bodies that the services send: each wraps it in a way of its own.
func message(body []byte) string {
	var any any
	if json.Unmarshal(body, &any) != nil {
		return clip(strings.TrimSpace(string(body)))
	}
	return clip(dig(any))
}

func dig(v any) string {
	switch v := v.(type) {
	case string:
		var inner map[string]any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &inner) == nil { // Ironic's is JSON within JSON
			return dig(inner)
		}
		return v
	case map[string]any:
		for _, key := range []string{"message", "faultstring", "detail", "description", "title"} {
			if s, ok := v[key].(string); ok && s != "" {
				return s
			}
		}
		for _, inner := range v {
			if s := dig(inner); s != "" {
				return s
			}
		}
	case []any:
		for _, inner := range v {
			if s := dig(inner); s != "" {
				return s
			}
		}
	}
	return ""
}

// clip bounds what a proxy's error page may put into a status_reason.
func clip(s string) string {
	const limit = 500
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

func status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// IsNotFound: the object is not there (or not for this actor).
func IsNotFound(err error) bool { return status(err) == http.StatusNotFound }

// IsConflict: its present state forbids it, or something like it is there already.
func IsConflict(err error) bool {
	return (status(err) == http.StatusConflict || ofProvider(err, "already allocated")) && !IsQuota(err)
}

// ofProvider tells whether Octavia passes on such words of Neutron's to its driver. It does so with status 500.
func ofProvider(err error, words string) bool {
	var e *Error
	return errors.As(err, &e) && e.Service == loadBalancer && e.Status == http.StatusInternalServerError &&
		strings.HasPrefix(e.Message, "Provider ") && strings.Contains(strings.ToLower(e.Message), words)
}

// IsForbidden: the actor has no right to it. A quota is not that.
func IsForbidden(err error) bool {
	s := status(err)
	return (s == http.StatusForbidden || s == http.StatusUnauthorized) && !IsQuota(err)
}

// IsInvalid: the service calls the request wrong.
func IsInvalid(err error) bool { return status(err) == http.StatusBadRequest }

// IsUnauthorized: the service does not accept the actor's token.
func IsUnauthorized(err error) bool { return status(err) == http.StatusUnauthorized }

// IsLoggedOut: the actor's token ran out, or was revoked, and Keystone gave no other. The factory has forgotten the actor by
// then, so that whoever asks for its clients next hears of it at the login.
func IsLoggedOut(err error) bool {
	var e *Error
	var refused *gophercloud.ErrUnableToReauthenticate
	return errors.As(err, &e) && errors.As(e.Err, &refused)
}

// IsQuota: the project may not have more. Nova and Octavia say it with 403, Neutron with 409, Cinder with 413.
func IsQuota(err error) bool {
	if ofProvider(err, "quota exceeded") {
		return true
	}
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case http.StatusForbidden, http.StatusConflict, http.StatusRequestEntityTooLarge:
		return strings.Contains(strings.ToLower(e.Message), "quota") || e.Status == http.StatusRequestEntityTooLarge
	}
	return false
}

// IsNoEndpoint: the cloud's catalogue has no such service for this actor.
func IsNoEndpoint(err error) bool {
	var no gophercloud.ErrEndpointNotFound
	return errors.As(err, &no)
}

// IsUnreachable: there was no answer, or one that says «later».
func IsUnreachable(err error) bool {
	var n net.Error
	return errors.As(err, &n) || errors.Is(err, context.DeadlineExceeded) || status(err) >= 500 || status(err) == http.StatusTooManyRequests
}
