package kubernetes

import (
	"strings"
	"time"
)

// metered: metrics-server knows what every node and pods on it use. It has believed their kubelets, then.
func (c *cluster) metered() {
	c.Helper()
	nodes := c.nodes()
	c.eventually(2*time.Minute, "every node's use to be known", func(out string) bool {
		lines := strings.Split(strings.TrimSpace(out), "\n")
		known := 0
		for _, n := range nodes {
			for _, line := range lines {
				f := strings.Fields(line) // name, cores, their share, memory, its share
				if len(f) == 5 && f[0] == n.name && strings.HasSuffix(f[1], "m") && strings.HasSuffix(f[3], "Mi") {
					known++
				}
			}
		}
		return known == len(nodes) && len(lines) == len(nodes)
	}, "top", "nodes", "--no-headers")
	c.eventually(time.Minute, "the use of pods to be known", func(out string) bool {
		return strings.Contains(out, "metrics-server-") && strings.Count(out, "kube-proxy-") == len(nodes)
	}, "top", "pods", "--namespace", "kube-system", "--no-headers")
	c.Logf("nodes:\n%s", c.do("top", "nodes"))
}
