package kube

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Ready is nil when the API reports itself ready. Otherwise *NotReadyError, ErrUnreachable or ErrUnauthorized.
func (c *Client) Ready(ctx context.Context) error {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	var status int
	result := c.rest.Get().AbsPath("/readyz").Param("verbose", "true").Do(ctx).StatusCode(&status)
	body, err := result.Raw()
	if err == nil {
		return nil
	}
	err = wrap(ctx, err, "ask the cluster whether it is ready")
	if status == 0 || status == http.StatusUnauthorized || errors.Is(err, ErrUnreachable) {
		return err
	}
	return &NotReadyError{Status: status, Checks: failedChecks(string(body))}
}

// failedChecks reads lines like "[-]etcd failed: reason withheld".
func failedChecks(body string) []string {
	var failed []string
	for line := range strings.Lines(body) {
		if rest, found := strings.CutPrefix(line, "[-]"); found {
			name, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			failed = append(failed, name)
		}
	}
	return failed
}

// Version is that of the API server which answers, as "v1.37.2".
func (c *Client) Version(ctx context.Context) (string, error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	body, err := c.rest.Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", wrap(ctx, err, "ask the cluster for its version")
	}
	var info struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return "", wrap(ctx, err, "read the version of the cluster")
	}
	return info.GitVersion, nil
}
