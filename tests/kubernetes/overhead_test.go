package kubernetes

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// benchImage is that of `jeroboam bench overhead`, which an operator would have in a registry.
const benchImage = "example.org/jeroboam:bench"

// measured compares the node groups with `jeroboam bench overhead`, whose Jobs do all works on real nodes.
func (c *cluster) measured() {
	c.Helper()
	c.haveBenchImage()
	var out, words strings.Builder
	cmd := exec.CommandContext(c.Context(), filepath.Join(c.folder, "jeroboam"), "bench", "overhead", c.name, "--image", benchImage, "--samples", "3", "--time", "200ms", "-f", "json")
	cmd.Env = append(os.Environ(), "OS_CLIENT_CONFIG_FILE="+c.clouds, "OS_CLOUD=mine", "OS_CONTAINER_INFRA_ENDPOINT_OVERRIDE="+strings.TrimSuffix(c.infra.ResourceBase, "/"))
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		c.Fatalf("bench overhead: %v\n%s%s", err, words.String(), out.String())
	}
	var rows []struct {
		Group   string  `json:"node_group"`
		Work    string  `json:"work"`
		Machine string  `json:"machine"`
		Median  float64 `json:"median"`
		Unit    string  `json:"unit"`
		Problem *string `json:"problem"`
	}
	if err := json.Unmarshal([]byte(out.String()), &rows); err != nil {
		c.Fatalf("bench overhead: %v\n%s", err, out.String())
	}
	done := map[string]bool{}
	for _, r := range rows {
		if r.Group != "default-worker" || r.Machine != "vm" || r.Median <= 0 || r.Problem != nil {
			c.Errorf("bench overhead: %+v", r)
		}
		kind, _, _ := strings.Cut(r.Work, " ")
		done[kind] = true
		c.Logf("%s: %.3g %s", r.Work, r.Median, r.Unit)
	}
	if len(done) < 4 {
		c.Errorf("these are not all works: %v", done)
	}
	c.eventually(time.Minute, "the Jobs' namespace to be gone", func(out string) bool { return out == "" }, "get", "namespaces", "-l", "app.kubernetes.io/name=jeroboam-bench", "-o", "name")
}

// haveBenchImage gives every host the image: there is no registry to pull it from.
func (c *cluster) haveBenchImage() {
	c.Helper()
	archive := filepath.Join(c.folder, "bench.tar")
	if err := binaries.WriteProgramImage(archive, benchImage, "/jeroboam", filepath.Join(c.folder, "jeroboam")); err != nil {
		c.Fatal(err)
	}
	for _, s := range c.servers() {
		file, err := os.Open(archive)
		if err != nil {
			c.Fatal(err)
		}
		cmd, err := c.hosts.Command(c.Context(), s.id, "ctr", "--namespace", "k8s.io", "images", "import", "-")
		if err != nil {
			c.Fatal(err)
		}
		cmd.Stdin = file
		if out, err := cmd.CombinedOutput(); err != nil {
			c.Fatalf("%s: %v\n%s", s.name, err, out)
		}
		_ = file.Close()
	}
	testenv.Eventually(c, time.Minute, "the kubelets' runtimes to know the image", func() bool {
		for _, s := range c.servers() {
			if out, err := c.on(s.name, "ctr", "--namespace", "k8s.io", "images", "ls", "name=="+benchImage); err != nil || !strings.Contains(out, "io.cri-containerd.image=managed") {
				return false
			}
		}
		return true
	})
}
