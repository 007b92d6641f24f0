package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/internal/externalgrpc"
)

// TestTakeBack: nodes are written r (ready), j (joined once), s (has a server), w (wanted only), x (on its way out) and u
// (takes the place of the one before, in an upgrade), the oldest first.
func TestTakeBack(t *testing.T) {
	for _, tc := range []struct {
		name  string
		count int
		nodes string
		n     int
		want  string // positions; - is refused
	}{
		{"nothing was planned yet", 3, "r", 2, ""},
		{"the rest of what was not planned", 3, "rs", 1, ""},
		{"what was not planned, then what has no server", 4, "rsw", 2, "2"},
		{"without a server before the youngest", 3, "rws", 1, "1"},
		{"the youngest", 4, "rsss", 2, "32"},
		{"all that has not come", 4, "rsws", 3, "231"},
		{"one too many", 4, "rsws", 4, "-"},
		{"a node that exists", 2, "rr", 1, "-"},
		{"a node that is not ready now", 2, "rj", 1, "-"},
		{"what goes already does not count", 2, "rxs", 1, "2"},
		{"what goes already cannot be taken back", 1, "rx", 1, "-"},
		{"a shrink is under way", 2, "rss", 1, "2"},
		{"a successor is not what was asked for", 2, "ruru", 1, "-"}, {"beside a successor", 3, "russ", 1, "3"}, {"the successor of one that goes", 2, "rxu", 1, "2"},
		{"a shrink is under way that leaves nothing to take back", 1, "rss", 1, "-"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := written(tc.count, tc.nodes)
			remove, ok := g.takeBack(tc.n)
			got := strings.Join(remove, "")
			if !ok {
				got = "-"
			}
			if got != tc.want {
				t.Errorf("%q, expected %q", got, tc.want)
			}
		})
	}
}

func written(count int, nodes string) *group {
	g, text := &group{}, "x"
	g.NodeCount = count
	for i, c := range nodes {
		n := wire.Node{UUID: fmt.Sprint(i), State: "wanted", Ready: c == 'r'}
		if c != 'w' {
			n.ServerID = &text
		}
		if c == 'j' || c == 'r' {
			n.Version = &text
		}
		if c == 'x' {
			n.State = "removing"
		}
		if c == 'u' {
			n.Replaces = &g.nodes[i-1].UUID
		}
		g.nodes = append(g.nodes, n)
	}
	return g
}

func TestWithout(t *testing.T) {
	for _, tc := range []struct {
		name  string
		count int
		nodes string
		n     int
		want  int
	}{
		{"as many", 3, "rrr", 2, 1}, {"all", 3, "rrr", 3, 0}, {"one goes already", 2, "rrx", 1, 1}, {"more are coming", 5, "rr", 1, 4},
		{"a shrink by as many is not met yet", 1, "rrr", 2, 1}, {"by more", 1, "rrr", 1, 1}, {"by fewer", 2, "rrr", 2, 1},
		{"an upgrade", 2, "ruru", 1, 1}, {"an upgrade half-way", 2, "xuru", 1, 1},
	} {
		if got := written(tc.count, tc.nodes).without(tc.n); got != tc.want {
			t.Errorf("%s: %d, expected %d", tc.name, got, tc.want)
		}
	}
}

func TestCodes(t *testing.T) {
	api := func(status int, detail string) error {
		return fmt.Errorf("asking: %w", &containerinfra.Error{Status: status, Detail: detail})
	}
	for _, tc := range []struct {
		err  error
		want codes.Code
		says string
	}{
		{nil, codes.OK, ""},
		{status.Error(codes.NotFound, "x"), codes.NotFound, "x"},
		{api(400, "Resizing x outside the allowed range"), codes.FailedPrecondition, "outside the allowed range"},
		{api(401, ""), codes.Unauthenticated, "HTTP 401: Unauthorized"},
		{api(403, "Resource limit exceeded: cores"), codes.ResourceExhausted, "cores"},
		{api(403, "Policy doesn't allow it"), codes.PermissionDenied, "Policy"},
		{api(404, "Cluster x could not be found."), codes.NotFound, "Cluster x"},
		{api(409, "busy"), codes.FailedPrecondition, "busy"},
		{api(429, ""), codes.Unavailable, "429"},
		{api(500, "An internal error"), codes.Internal, "internal"},
		{api(503, ""), codes.Unavailable, "503"},
		{&url.Error{Op: "Get", URL: "http://x", Err: context.DeadlineExceeded}, codes.DeadlineExceeded, ""},
		{errors.New("connection refused"), codes.Unavailable, "refused"},
	} {
		if err := asStatus(tc.err); status.Code(err) != tc.want || !strings.Contains(fmt.Sprint(err), tc.says) {
			t.Errorf("%v becomes %v, expected %v", tc.err, err, tc.want)
		}
	}
}

// TestWrongLabels: what a label of a group says and cannot be read is told with its name.
func TestWrongLabels(t *testing.T) {
	for label, value := range map[string]string{"scale_down_utilization_threshold": "half", "scale_down_unneeded_time": "10", "max_node_provision_time": "soon"} {
		g := &group{}
		g.Labels = map[string]string{label: value}
		if err := g.options(&externalgrpc.NodeGroupAutoscalingOptions{}); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), label) {
			t.Errorf("%s=%s: %v", label, value, err)
		}
	}
	for _, value := range []string{"nvidia.com/gpu", "=2", "nvidia.com/gpu=two"} {
		g := &group{}
		g.Labels = map[string]string{resourcesLabel: value}
		if _, err := g.template(&flavor{}); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), resourcesLabel) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestTemplateOfASandboxedPool(t *testing.T) {
	for runtime, taints := range map[string]int{"": 0, "runc": 0, "kata": 1} {
		g := &group{}
		g.Name, g.Labels = "pool", map[string]string{"runtime": runtime}
		n, err := g.template(&flavor{})
		if err != nil {
			t.Fatal(err)
		}
		if len(n.Spec.Taints) != taints || (n.Labels[ops.RuntimeLabel] == runtime) != (taints > 0 || runtime == "") {
			t.Errorf("runtime %q: labels %v, taints %v", runtime, n.Labels, n.Spec.Taints)
		}
	}
}
