package tempest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

const (
	limit = 15 * time.Minute
	// magnumsTime is what the same tests took a Magnum 15 on a machine with 2 cores, without the one that makes a cluster.
	magnumsTime = 76 * time.Second
	// left out: it wants a cluster without nodes by a version of the API whose rule forbids that.
	leftOut = "test_create_cluster_with_zero_nodes"
	// the test that makes a cluster, which Magnum cannot pass without a Kubernetes that really comes up.
	wholeLife = "test_create_list_sign_delete_clusters"
)

// alone are tests that each need a run of their own: the plugin deletes the user of their class after the class's first
// test, and the others then work only where services go on believing in tokens that they have seen before.
func alone() []string { return []string{"test_create_cluster_with_nonexisting_flavor", wholeLife} }

// TestTempest runs all of them; each is a test of ours with its own verdict.
func TestTempest(t *testing.T) {
	s := stack.Start(t, stack.Options{Speed: 20, Conductors: 1})
	workspace := configure(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tempest := func(args ...string) string {
		cmd := exec.CommandContext(ctx, "/usr/bin/tempest", args...)
		cmd.Dir = workspace
		cmd.Env = environment(s)
		cmd.WaitDelay = 5 * time.Second
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil && slices.Contains(args, "--list-tests") {
			t.Fatalf("tempest %v: %v\n%s", args, err, out.String())
		}
		return out.String()
	}
	all := []string{"run", "--regex", "magnum_tempest_plugin", "--exclude-regex", leftOut}
	want := listed(t, tempest(append(all, "--list-tests")...))
	began := time.Now()
	all[len(all)-1] += "|" + strings.Join(alone(), "|")
	out := tempest(append(all, "--concurrency", "2")...)
	var took time.Duration
	for _, name := range alone() {
		if name == wholeLife {
			took = time.Since(began)
		}
		out += tempest("run", "--regex", name)
	}
	verdicts := verdicts(out)
	for _, name := range want {
		t.Run(name[strings.LastIndex(name, ".tests.")+len(".tests."):], func(t *testing.T) {
			switch v := verdicts[name]; v {
			case "ok":
			case "":
				t.Error("it has no verdict")
			default:
				t.Errorf("%s\n%s", v, story(out, name))
			}
		})
	}
	t.Logf("%d tests in %.0f s, for which Magnum 15 takes %.0f s; %s, which it cannot pass, in %.0f s", len(want)-1, took.Seconds(), magnumsTime.Seconds(),
		wholeLife, (time.Since(began) - took).Seconds())
	if t.Failed() {
		t.Logf("the API's log:\n%s", s.API.Log(t))
	}
}

func environment(s *stack.Stack) []string {
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + s.Dir, "LC_ALL=C.UTF-8", "TEMPEST_CONFIG_DIR=" + filepath.Join(s.Dir, "ws", "etc")}
}

// configure makes a workspace of tempest's.
func configure(t *testing.T, s *stack.Stack) string {
	t.Helper()
	workspace := filepath.Join(s.Dir, "ws")
	cmd := exec.CommandContext(t.Context(), "/usr/bin/tempest", "init", workspace)
	cmd.Dir, cmd.Env = s.Dir, environment(s)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tempest init: %v\n%s", err, out)
	}
	keystone := testenv.Require(t, testenv.KeystoneURL)
	text := strings.Join([]string{
		"[DEFAULT]\nlog_file = " + filepath.Join(s.Dir, "tempest.log"),
		"[oslo_concurrency]\nlock_path = " + filepath.Join(s.Dir, "lock"),
		"[auth]\nadmin_username = " + s.Admin.Name + "\nadmin_password = " + s.Admin.Password + "\nadmin_project_name = " + s.Admin.Name + "\nadmin_domain_name = Default",
		"use_dynamic_credentials = true\ncreate_isolated_networks = false",
		"[identity]\nauth_version = v3\nuri_v3 = " + keystone + "\nregion = " + s.Region,
		"[compute]\nregion = " + s.Region,
		"[service_available]\nmagnum = true\nnova = true\nneutron = true\nglance = true\ncinder = false\nswift = false",
		"[enforce_scope]\nmagnum = true",
		"[magnum]\nimage_id = ubuntu-24.04-kube-v1.37.2\nnic_id = public\nkeypair_name = default\nflavor_id = m1.medium\nmaster_flavor_id = m1.medium",
		"copy_logs = false\nnetwork_driver = flannel\nregion = " + s.Region, "",
	}, "\n")
	if err := os.WriteFile(filepath.Join(workspace, "etc", "tempest.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return workspace
}

var (
	testName = regexp.MustCompile(`(?m)^(magnum_tempest_plugin\.tests\.[\w.]+)(\[.*\])?$`)
	verdict  = regexp.MustCompile(`(?m)^\{\d+\} (\S+?)(?:\[\S*\])? \[[\d.]+s\] \.\.\. (.+)$`)
)

// listed are the tests that there are; fewer than Magnum's developers wrote would be a run that proves little.
func listed(t *testing.T, out string) []string {
	t.Helper()
	var names []string
	for _, m := range testName.FindAllStringSubmatch(out, -1) {
		names = append(names, m[1])
	}
	if len(names) < 57 || !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, wholeLife) }) {
		t.Fatalf("tempest lists %d tests, expected at least 57 with %s:\n%s", len(names), wholeLife, out)
	}
	return names
}

// verdicts by test.
func verdicts(out string) map[string]string {
	found := map[string]string{}
	for _, m := range verdict.FindAllStringSubmatch(out, -1) {
		found[m[1]] = m[2]
	}
	return found
}

// story is what tempest tells of a test that failed.
func story(out, name string) string {
	i := strings.Index(out, "\n"+name)
	if i < 0 {
		return "nothing is told of it"
	}
	end := min(len(out), i+4000)
	return fmt.Sprint(out[i:end])
}
