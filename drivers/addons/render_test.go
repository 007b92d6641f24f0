package addons_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/jeroboam-cloud/jeroboam/drivers/addons"
)

var update = flag.Bool("update", false, "write the golden files")

func testCluster() addons.Cluster {
	return addons.Cluster{Name: "dev-x2x2x", KubernetesVersion: "v1.36.5", APIHost: "10.0.0.5", APIPort: 6443, PodCIDR: "10.100.0.0/16", ServiceCIDR: "10.254.0.0/16", DNSDomain: "cluster.local",
		KeystoneRoles: []addons.RoleBinding{{Group: "keystone:member", ClusterRole: "cluster-admin"}, {Group: "keystone:Read: \"only\"", ClusterRole: "view"}},
		Cloud: addons.Cloud{AuthURL: "https://keystone.example.org/v3", Region: "RegionOne", UserID: "4d1a", UserName: "dev-x2x2x", Domain: "jeroboam", Password: `p"a\ss`, ProjectID: "7c2f",
			SubnetID: "5b1e", ExternalNetworkID: "9e0d"},
		Storage: addons.Storage{VolumeTypes: []string{"ssd", "__DEFAULT__", "NVMe (fast)"}, DefaultVolumeType: "__DEFAULT__",
			ShareTypes: []addons.ShareType{{Name: "cephfs-nfs"}, {Name: "generic", OwnServers: true}}}}
}

func text(t *testing.T, objects []*unstructured.Unstructured) string {
	t.Helper()
	var b strings.Builder
	for _, o := range objects {
		raw, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "---\n%s", raw)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-update writes it):\n%s", path, diff)
	}
}

func TestGolden(t *testing.T) {
	for _, name := range []string{addons.CoreDNS, addons.CloudConfig, addons.CloudProvider, addons.CinderCSI, addons.ManilaCSI, addons.MetricsServer, addons.KeystoneAuth} {
		t.Run(name, func(t *testing.T) {
			objects, err := addons.Render(testCluster(), name)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, text(t, objects))
		})
	}
}

// images of the pods of an add-on.
func images(t *testing.T, c addons.Cluster, name string) string {
	t.Helper()
	objects, err := addons.Render(c, name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(text(t, objects)) {
		if _, image, found := strings.Cut(line, "image: "); found {
			out = append(out, strings.TrimSpace(image))
		}
	}
	return strings.Join(out, " ")
}

func TestVersions(t *testing.T) {
	const provider = "registry.k8s.io/provider-os/openstack-cloud-controller-manager:"
	for _, tc := range []struct {
		name, kubernetes, addon, want string
		change                        func(*addons.Cluster)
	}{
		{"that of the minor version", "v1.33.0", addons.CloudProvider, provider + "v1.33.1", nil},
		{"newer than all that are known", "v1.99.0", addons.CloudProvider, provider + "v1.36.0", nil},
		{"older than all that are known", "v1.20.0", addons.CloudProvider, provider + "v1.31.4", nil},
		{"pinned by a label", "v1.36.5", addons.CloudProvider, provider + "v1.35.0", func(c *addons.Cluster) {
			c.Settings = map[string]string{"cloud_provider_tag": "v1.35.0"}
		}},
		{"of a registry of one's own", "v1.36.5", addons.CloudProvider, "mirror.example.org:5000/k8s/openstack-cloud-controller-manager:v1.36.0",
			func(c *addons.Cluster) { c.ImagePrefix = "mirror.example.org:5000/k8s/" }},
		{"metrics-server's matrix", "v1.33.0", addons.MetricsServer, "registry.k8s.io/metrics-server/metrics-server:v0.8.1", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := testCluster()
			c.KubernetesVersion = tc.kubernetes
			if tc.change != nil {
				tc.change(&c)
			}
			if got := images(t, c, tc.addon); got != tc.want {
				t.Errorf("images %s, want %s", got, tc.want)
			}
		})
	}
}

func TestStorageClasses(t *testing.T) {
	for _, tc := range []struct {
		name, fallback, label string
		types                 []string
		want                  string // name=type, the default with a star
	}{
		{"none", "", "", nil, ""},
		{"the only one is the default", "", "", []string{"ssd"}, "cinder-ssd=ssd*"},
		{"two and no default", "", "", []string{"ssd", "hdd"}, "cinder-hdd=hdd cinder-ssd=ssd"},
		{"Cinder's default", "hdd", "", []string{"ssd", "hdd"}, "cinder-hdd=hdd* cinder-ssd=ssd"},
		{"the label's default", "hdd", "ssd", []string{"ssd", "hdd"}, "cinder-hdd=hdd cinder-ssd=ssd*"},
		{"names that Kubernetes does not take", "", "", []string{"a b", "A_B", "Großer Speicher"}, "cinder-a-b=A_B cinder-gro-er-speicher=Großer Speicher cinder-a-b-c8687a08=a b"},
		{"nothing is left of a name", "", "", []string{"高速"}, "cinder-3991ac9f=高速*"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := testCluster()
			c.Storage = addons.Storage{VolumeTypes: tc.types, DefaultVolumeType: tc.fallback}
			c.Settings = map[string]string{"csi_cinder_default_volume_type": tc.label}
			objects, err := addons.Render(c, addons.CinderCSI)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range objects {
				if o.GetKind() != "StorageClass" {
					continue
				}
				kind, _, _ := unstructured.NestedString(o.Object, "parameters", "type")
				star := ""
				if o.GetAnnotations()["storageclass.kubernetes.io/is-default-class"] == "true" {
					star = "*"
				}
				got = append(got, o.GetName()+"="+kind+star)
			}
			if s := strings.Join(got, " "); s != tc.want {
				t.Errorf("classes %s, want %s", s, tc.want)
			}
		})
	}
}

// TestShareClasses: a type whose shares have servers of their own has a class only where there is a network for them.
func TestShareClasses(t *testing.T) {
	for _, tc := range []struct{ name, network, want string }{
		{"without a share network", "", "manila-nfs=nfs on "},
		{"with a share network", "5c1d", "manila-generic=generic on 5c1d manila-nfs=nfs on "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := testCluster()
			c.Storage.ShareTypes = []addons.ShareType{{Name: "nfs"}, {Name: "generic", OwnServers: true}}
			c.Settings = map[string]string{"manila_csi_share_network_id": tc.network}
			objects, err := addons.Render(c, addons.ManilaCSI)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range objects {
				if o.GetKind() == "StorageClass" {
					kind, _, _ := unstructured.NestedString(o.Object, "parameters", "type")
					network, _, _ := unstructured.NestedString(o.Object, "parameters", "shareNetworkID")
					got = append(got, o.GetName()+"="+kind+" on "+network)
				}
			}
			if s := strings.Join(got, " "); s != tc.want {
				t.Errorf("classes %s, want %s", s, tc.want)
			}
		})
	}
}

// TestSecretsAreNotPrinted: whatever the verb.
func TestSecretsAreNotPrinted(t *testing.T) {
	c := testCluster()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb+verb, c, c.Cloud); strings.Contains(s, "ss") && strings.Contains(s, `p"a`) {
			t.Errorf("%s prints the password: %s", verb, s)
		}
	}
	objects, err := addons.Render(c, addons.CloudProvider)
	if err != nil {
		t.Fatal(err)
	}
	if s := text(t, objects); strings.Contains(s, `p"a`) {
		t.Error("the password is outside of the Secret")
	}
}

// TestConfigurationMark: pods are made anew exactly when what they log in with changes.
func TestConfigurationMark(t *testing.T) {
	mark := func(c addons.Cluster) string {
		objects, err := addons.Render(c, addons.CinderCSI)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			if o.GetKind() == "DaemonSet" {
				s, _, _ := unstructured.NestedString(o.Object, "spec", "template", "metadata", "annotations", "jeroboam.cloud/configuration")
				return s
			}
		}
		return ""
	}
	c := testCluster()
	before := mark(c)
	c.Storage.VolumeTypes = nil
	if before == "" || mark(c) != before {
		t.Errorf("mark %q became %q without another configuration", before, mark(c))
	}
	if c.Cloud.Password = "another"; mark(c) == before {
		t.Error("a new password left the mark as it was")
	}
}
