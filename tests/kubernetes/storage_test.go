package kubernetes

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
)

// TestCinder: OpenStack's plug-in for volumes and the programs beside it, as the user of a cluster. A volume is made, attached,
// formatted and mounted, outlives its pod, and goes with the cluster where that is wanted.
func TestCinder(t *testing.T) {
	b := newServiceBed(t)
	version := binaries.Releases()[0].Kubernetes
	labels := binaries.AddonTags()
	labels["cinder_csi_enabled"], labels["volume_delete_policy"], labels["metrics_server_enabled"] = "true", "delete", "true"
	c := b.create("stored", b.template(version), 1, 1, false, labels)
	within(t, c, "a class for each type of volume", func(c *cluster) {
		got := strings.Fields(c.do("get", "storageclass", "-o", `jsonpath={range .items[*]}{.metadata.name}={.parameters.type}{"\n"}{end}`))
		if !slices.Equal(got, []string{"cinder-hdd=hdd", "cinder-ssd=ssd"}) {
			c.Errorf("classes %v", got)
		}
	})
	within(t, c, "a pod writes to its volume", func(c *cluster) {
		c.apply(claim)
		c.apply(keeper("writer", "date >/data/kept && sync"))
		c.finished("writer")
		if types := c.volumes(); len(types) != 1 || types[0] != "hdd" {
			c.Errorf("volumes of types %v", types)
		}
	})
	within(t, c, "another one reads it", func(c *cluster) {
		c.do("delete", "pod", "writer")
		c.apply(keeper("reader", "cat /data/kept && findmnt -no FSTYPE /data"))
		c.finished("reader")
		if out := c.do("logs", "reader"); !strings.HasSuffix(strings.TrimSpace(out), "ext4") {
			c.Errorf("what it read is %q", out)
		}
	})
	within(t, c, "a claim that is deleted takes its volume along", func(c *cluster) {
		c.apply(strings.Replace(claim, "kept", "brief", 1) + "---\n" + strings.Replace(keeper("brief", "true"), "claimName: kept", "claimName: brief", 1))
		c.finished("brief")
		c.do("delete", "pod/brief", "pvc/brief")
		c.eventually(3*time.Minute, "its volume to be gone", func(string) bool { return len(c.volumes()) == 1 }, "version")
	})
	within(t, c, "what nodes and pods use", func(c *cluster) { c.metered() })
	within(t, c, "delete", func(c *cluster) { c.remove() })
}

const claim = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept}
spec: {accessModes: [ReadWriteOnce], storageClassName: cinder-hdd, resources: {requests: {storage: 1Gi}}}
`

// keeper is a pod with the claim that runs a command once.
func keeper(name, command string) string {
	return `apiVersion: v1
kind: Pod
metadata: {name: ` + name + `}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: keeper
    image: registry.k8s.io/pause:3.10.2
    command: [/usr/bin/bash, -ec, "` + command + `"]
    volumeMounts:
    - {name: data, mountPath: /data}
    - {name: usr, mountPath: /usr, readOnly: true}
    - {name: lib, mountPath: /lib, readOnly: true}
    - {name: lib64, mountPath: /lib64, readOnly: true}
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: kept}}
  - {name: usr, hostPath: {path: /usr}}
  - {name: lib, hostPath: {path: /lib}}
  - {name: lib64, hostPath: {path: /lib64}}
`
}

// finished waits until a pod has done its work.
func (c *cluster) finished(pod string) {
	c.Helper()
	c.eventually(5*time.Minute, "pod "+pod+" to have finished", func(out string) bool {
		if out == "Failed" {
			c.Fatalf("pod %s has failed: %s", pod, c.do("logs", pod))
		}
		return out == "Succeeded"
	}, "get", "pod", pod, "-o", "jsonpath={.status.phase}")
}

// volumes lists the types of the volumes that the user's project has.
func (c *cluster) volumes() []string {
	c.Helper()
	var out struct {
		Volumes []struct {
			VolumeType string `json:"volume_type"`
		}
	}
	if err := c.ask(c.volume, http.MethodGet, c.volume.ServiceURL("volumes", "detail"), nil, &out); err != nil {
		c.Fatal(err)
	}
	var types []string
	for _, v := range out.Volumes {
		types = append(types, v.VolumeType)
	}
	return types
}
