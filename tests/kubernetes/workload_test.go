package kubernetes

import (
	"fmt"
	"strings"
	"time"
)

// workload is a web server in pods of a runtime, on as many nodes as may be, with a Service in front. There is no image of one
// here: its pods run what their hosts have.
const workload = `apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      runtimeClassName: %[3]s
      terminationGracePeriodSeconds: 1
      tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: %[1]s}}}
      containers:
      - name: web
        image: registry.k8s.io/pause:3.10.2
        command: [/usr/bin/python3, -m, http.server, "8080", --directory, /usr/share/python3]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        volumeMounts:
        - {name: usr, mountPath: /usr, readOnly: true}
        - {name: lib, mountPath: /lib, readOnly: true}
        - {name: lib64, mountPath: /lib64, readOnly: true}
      volumes:
      - {name: usr, hostPath: {path: /usr}}
      - {name: lib, hostPath: {path: /lib}}
      - {name: lib64, hostPath: {path: /lib64}}
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec:
  selector: {app: %[1]s}
  ports: [{port: 80, targetPort: 8080}]
`

// deploy applies the workload and waits for it.
func (c *cluster) deploy(replicas int) {
	c.Helper()
	c.apply(fmt.Sprintf(workload, "web", replicas, "null"))
	c.served(replicas)
}

func (c *cluster) served(replicas int) {
	c.Helper()
	c.ready("web", replicas)
}

// ready waits until so many pods of a workload are.
func (c *cluster) ready(name string, replicas int) {
	c.Helper()
	c.eventually(5*time.Minute, "the workload "+name+" to be ready", func(out string) bool { return out == fmt.Sprint(replicas) },
		"get", "deployment", name, "-o", "jsonpath={.status.readyReplicas}")
}

// connected: pods reach each other on whatever nodes they are, and a Service by its address and its name.
func (c *cluster) connected() {
	c.Helper()
	lines := strings.Fields(c.do("get", "pods", "-l", "app=web", "-o", `jsonpath={range .items[*]}{.metadata.name},{.status.podIP},{.spec.nodeName}{"\n"}{end}`))
	service := c.do("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
	nodes := map[string]bool{}
	for _, from := range lines {
		parts := strings.Split(from, ",")
		nodes[parts[2]] = true
		targets := []string{"http://" + service, "http://web.default.svc.cluster.local"}
		for _, to := range lines {
			targets = append(targets, "http://"+strings.Split(to, ",")[1]+":8080")
		}
		for _, target := range targets {
			c.eventually(time.Minute, "pod "+parts[0]+" to reach "+target, func(string) bool { return true },
				"exec", parts[0], "--", "/usr/bin/curl", "-fsS", "-o", "/dev/null", "--max-time", "5", target)
		}
	}
	if len(lines) > 1 && len(nodes) < 2 {
		c.Errorf("all %d pods are on one node, so nothing was shown of the network between nodes", len(lines))
	}
}
