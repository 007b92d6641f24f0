package kube

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

var versionLine = regexp.MustCompile(`(?m)^kubernetesVersion: .*$`)

func encodeYAML(v any) []byte {
	content, err := yaml.Marshal(v)
	if err != nil {
		return nil // it is then found to be no manifest
	}
	return content
}

// installed is the version of a program on the host: what is in its file.
func (m *machine) installed(program string) (string, error) {
	content, err := m.drive.read("/usr/bin/" + program)
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(content))
	if len(fields) != 4 || fields[0] != "simulated" || fields[1] != program {
		return "", fmt.Errorf("/usr/bin/%s: exec format error", program)
	}
	return fields[2], nil
}

// kubeletVersion is what the host's kubelet says of itself.
func (n *Node) kubeletVersion(m *machine) string {
	if version, err := m.installed("kubelet"); err == nil {
		return version
	}
	return m.plan.registration.version
}

// upgradeApply is kubeadm upgrade apply: the cluster's version, then this host's components.
func (p *process) upgradeApply(ctx context.Context, version string) error {
	m := p.shell.machine
	own, err := m.installed("kubeadm")
	if err != nil {
		return err
	}
	minor, version, err := parseVersion(version)
	if err != nil {
		return err
	}
	c := m.cluster
	have, _ := c.release()
	switch {
	case own != version:
		return fmt.Errorf("[upgrade/version] FATAL: the --version argument is invalid: specified version %q is not that of kubeadm, %s", version, own)
	case minor < have || minor > have+1:
		return fmt.Errorf("[upgrade/version] FATAL: specified version to upgrade to %q is not within one minor release of 1.%d", version, have)
	case !m.isControlPlane():
		return errors.New("couldn't create a Kubernetes client from file \"/etc/kubernetes/admin.conf\"")
	}
	if err := c.noteVersion(version); err != nil {
		return err
	}
	return p.upgradeComponents(ctx, version)
}

// upgradeNode is kubeadm upgrade node: the host's components, if it has any, to the cluster's version.
func (p *process) upgradeNode(ctx context.Context) error {
	m := p.shell.machine
	own, err := m.installed("kubeadm")
	if err != nil {
		return err
	}
	_, version := m.cluster.release()
	if own != version {
		return fmt.Errorf("this version of kubeadm, %s, does not upgrade nodes of a cluster of version %s", own, version)
	}
	if !m.isControlPlane() {
		return nil
	}
	return p.upgradeComponents(ctx, version)
}

// upgradeAddons is what kubeadm does about kube-proxy and CoreDNS. The simulator runs neither, but kubeadm looks at what it
// finds: its own version and the pods of all API servers. Where one has another image it does nothing, and ends well.
func (p *process) upgradeAddons() error {
	m := p.shell.machine
	own, err := m.installed("kubeadm")
	if err != nil {
		return err
	}
	if _, version := m.cluster.release(); own != version {
		return fmt.Errorf("this version of kubeadm, %s, does not upgrade add-ons of a cluster of version %s", own, version)
	}
	if behind := m.cluster.apiServersWithout("registry.k8s.io/" + componentAPI + ":" + own); len(behind) > 0 {
		_, err := fmt.Fprintf(p.ctx.Stdout, "[upgrade/addon] Skipping upgrade of addons because control plane instances %v have not been upgraded\n", behind)
		return err
	}
	return nil
}

// apiServersWithout lists the nodes on which, as their pods say, an API server has another image.
func (c *cluster) apiServersWithout(image string) []string {
	var nodes []string
	_ = c.store.do(func(t *transaction) error {
		for _, o := range t.list(c.schema.kind("Pod"), systemNamespace) {
			var pod corev1.Pod
			if o.GetLabels()["component"] != componentAPI || runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &pod) != nil {
				continue
			}
			if pod.Spec.Containers[0].Image != image {
				nodes = append(nodes, pod.Spec.NodeName)
			}
		}
		return nil
	})
	return nodes
}

// upgradeComponents renews all certificates, as kubeadm does, and waits until the components run at their version.
func (p *process) upgradeComponents(ctx context.Context, version string) error {
	m := p.shell.machine
	if err := p.renewCertificates("all"); err != nil {
		return err
	}
	for _, name := range components() {
		pod := corev1.Pod{}
		content := m.manifest(name)
		if err := decodeStrict(content, &pod); err != nil {
			return err
		}
		pod.Spec.Containers[0].Image = "registry.k8s.io/" + name + ":" + version
		m.drive.write(manifestFolder+"/"+name+".yaml", encodeYAML(&pod), 0o600)
	}
	p.shell.node.noticeManifests(ctx, m)
	return p.shell.node.clock.Sleep(ctx, 4*componentLatency)
}

// noteVersion keeps the version in kubeadm's ConfigMap.
func (c *cluster) noteVersion(version string) error {
	return c.store.do(func(t *transaction) error {
		k := c.schema.kind("ConfigMap")
		before, err := t.find(k, systemNamespace, "kubeadm-config")
		if err != nil {
			return err
		}
		after := before.DeepCopy()
		text, _, _ := unstructured.NestedString(after.Object, "data", "ClusterConfiguration")
		text = versionLine.ReplaceAllLiteralString(text, "kubernetesVersion: "+version)
		if err := unstructured.SetNestedField(after.Object, text, "data", "ClusterConfiguration"); err != nil {
			return err
		}
		t.put(k, before, after)
		return nil
	})
}
