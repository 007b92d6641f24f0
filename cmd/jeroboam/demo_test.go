package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// buffer is a terminal that is none, read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestDemo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out, errs buffer
	if code := (shell{&out, &errs}).run(t.Context(), []string{"demo", "--speed", "50"}); code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, errs.String(), out.String())
	}
	text := out.String()
	for _, want := range []string{
		`(?m)^ *\d+\.\ds  load balancer: done$`, `(?m)^ *\d+\.\ds  Kubernetes API: done$`, `(?m)^ *\d+\.\ds  host demo-\S+-default-worker-\w+: done$`,
		`NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP`, `deletes cluster demo`, `What is left in the cloud: nothing\.`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%s is not in the output:\n%s", want, text)
		}
	}
	nodes := regexp.MustCompile(`(?m)^demo-\S+-default-(master|worker)-\w+ +Ready +(control-plane|<none>) +\S+ +v1\.37\.2 +10\.0\.0\.\d+$`).FindAllStringSubmatch(text, -1)
	control := 0
	for _, n := range nodes {
		if n[2] == "control-plane" {
			control++
		}
	}
	if len(nodes) != 5 || control != 3 {
		t.Errorf("%d nodes, %d of them control planes, are listed as ready; expected 5 and 3:\n%s", len(nodes), control, text)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v %v", left, err)
	}
}

func TestDemoThatIsKept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs buffer
	code := make(chan int, 1)
	go func() { code <- shell{&out, &errs}.run(ctx, []string{"demo", "--keep", "--speed", "50"}) }()
	var ended *int
	testenv.Eventually(t, startLimit, "the invitation to play", func() bool {
		select {
		case c := <-code:
			ended = &c
			return true
		default:
			return strings.Contains(out.String(), "openstack coe cluster delete demo")
		}
	})
	if ended != nil {
		t.Fatalf("it ended with %d: %s", *ended, errs.String())
	}
	kubeconfig := regexp.MustCompile(`export KUBECONFIG=(\S+)`).FindStringSubmatch(out.String())
	if kubeconfig == nil {
		t.Fatalf("no kubeconfig is named:\n%s", out.String())
	}
	raw, err := os.ReadFile(kubeconfig[1])
	if err != nil {
		t.Fatal(err)
	}
	if nodes, _, err := listNodes(t.Context(), raw); err != nil || len(nodes) != masters+workers {
		t.Errorf("%d nodes, %v", len(nodes), err)
	}
	cancel()
	if c := <-code; c != 0 {
		t.Errorf("exit code %d after Ctrl-C: %s", c, errs.String())
	}
}
