package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// cliTimeout of one command: starting it costs a second and a half of CPU.
const cliTimeout = 2 * time.Minute

// OpenStack runs Debian's `openstack` as the tenant and gives what it prints; it has to succeed.
func (x *Tenant) OpenStack(t testing.TB, args ...string) string {
	t.Helper()
	out, stderr, err := x.openstack(t, args...)
	if err != nil {
		t.Fatalf("openstack %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr)
	}
	return out
}

// Refused runs a command that has to fail and gives what it says.
func (x *Tenant) Refused(t testing.TB, args ...string) string {
	t.Helper()
	out, stderr, err := x.openstack(t, args...)
	if err == nil {
		t.Fatalf("openstack %s was not refused:\n%s", strings.Join(args, " "), out)
	}
	return stderr
}

// JSON runs a command with -f json into a value.
func (x *Tenant) JSON(t testing.TB, into any, args ...string) {
	t.Helper()
	out := x.OpenStack(t, append(args, "-f", "json")...)
	// Some commands say what they did before they print it.
	start := max(0, strings.IndexAny(out, "{["))
	if err := json.Unmarshal([]byte(out[start:]), into); err != nil {
		t.Fatalf("openstack %s -f json: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (x *Tenant) openstack(t testing.TB, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cliTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/openstack", args...)
	cmd.Env = x.Environment(t)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// Environment is what the tenant has in his environment when he calls OpenStack's commands. Debian's commands want Debian's
// Python, so it has nothing of ours.
func (x *Tenant) Environment(t testing.TB) []string {
	t.Helper()
	return []string{"PATH=/usr/bin:/bin", "HOME=" + x.stack.Dir, "SHELL=/bin/bash", "LC_ALL=C.UTF-8", "OS_IDENTITY_API_VERSION=3",
		"OS_AUTH_URL=" + testenv.Require(t, testenv.KeystoneURL), "OS_REGION_NAME=" + x.stack.Region, "OS_USERNAME=" + x.Name, "OS_PASSWORD=" + x.Password,
		"OS_PROJECT_NAME=" + x.Name, "OS_USER_DOMAIN_ID=default", "OS_PROJECT_DOMAIN_ID=default"}
}
