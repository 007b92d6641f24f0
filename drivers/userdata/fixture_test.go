package userdata_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

const token = "abcdef.0123456789abcdef"

// pem makes stand-ins of the real size that do not compress, as real ones do not; rendering never reads what is in them.
func pem(kind, name string, lines int) []byte {
	var body strings.Builder
	for i := range lines {
		sum := sha512.Sum384([]byte(name + strconv.Itoa(i)))
		body.WriteString(base64.StdEncoding.EncodeToString(sum[:]) + "\n")
	}
	return []byte("-----BEGIN " + kind + "-----\n" + body.String() + "-----END " + kind + "-----\n")
}

func keyPair(name string) userdata.KeyPair {
	return userdata.KeyPair{Certificate: pem("CERTIFICATE", name, 16), PrivateKey: pem("PRIVATE KEY", name+"/key", 26)}
}

func testPKI() *userdata.PKI {
	return &userdata.PKI{
		CA: keyPair("ca"), FrontProxyCA: keyPair("frontproxy"), EtcdCA: keyPair("etcd"), SigningCA: pem("CERTIFICATE", "ca", 16),
		ServiceAccountPublic: pem("PUBLIC KEY", "sa", 7), ServiceAccountPrivate: pem("PRIVATE KEY", "sa", 26),
		EncryptionKey: []byte("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
	}
}

func initHost() userdata.Host {
	return userdata.Host{
		Name: "demo-k3x9z-control-plane-0", Role: userdata.RoleInit, Distro: "ubuntu",
		SSHKeys:     []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample user@host"},
		ClusterName: "demo", KubernetesVersion: "v1.37.2", ControlPlaneEndpoint: "192.0.2.10:6443",
		APIServerCertSANs: []string{"10.0.0.5", "demo.example.org", "192.0.2.10"},
		PodSubnet:         "10.100.0.0/16", ServiceSubnet: "10.254.0.0/16",
		BootstrapToken: token, TokenTTL: 2 * time.Hour, PKI: testPKI(),
		ProviderID: "openstack:///5d9c2d2e-9a0d-4c3b-8f52-5f3f0a1b2c3d", CloudProviderExternal: true,
		NodeLabels: map[string]string{"jeroboam.example.org/group": "default-master"},
	}
}

const tokenReviewURL = "https://containers.example.org/v1/clusters/9f0c/tokenreviews"

func controlPlaneHost() userdata.Host {
	h := initHost()
	h.TokenReviewURL = tokenReviewURL
	h.Name, h.Role = "demo-k3x9z-control-plane-1", userdata.RoleControlPlane
	h.ClusterCA = h.PKI.CA.Certificate
	h.NodeTaints = []userdata.Taint{{Key: "dedicated", Value: "infra", Effect: "NoExecute"}}
	return h
}

func workerHost() userdata.Host {
	h := controlPlaneHost()
	h.Name, h.Role, h.PKI, h.Distro = "demo-k3x9z-default-worker-0", userdata.RoleWorker, nil, "debian"
	h.NodeLabels = map[string]string{"zone": "a", "topology.kubernetes.io/zone": "az1", "example.org/empty": ""}
	h.KubeletExtraArgs = map[string]string{"max-pods": "200", "image-gc-high-threshold": "80"}
	h.Proxy = userdata.Proxy{HTTP: "http://proxy.example.org:3128", HTTPS: "http://user:p%40ss@proxy.example.org:3128",
		No: []string{"10.0.0.0/24", ".example.org"}}
	h.ExtraFiles = []userdata.File{{Path: "/etc/containerd/certs.d/docker.io/hosts.toml", Content: []byte("server = \"https://mirror\"\n")}}
	return h
}

type writtenFile struct{ Path, Content, Encoding, Owner, Permissions string }

type cloudConfig struct {
	Hostname          string        `json:"hostname"`
	FQDN              string        `json:"fqdn"`
	ManageEtcHosts    bool          `json:"manage_etc_hosts"`
	PreserveHostname  bool          `json:"preserve_hostname"`
	SSHPasswordAuth   bool          `json:"ssh_pwauth"`
	SSHAuthorizedKeys []string      `json:"ssh_authorized_keys,omitempty"`
	PackageUpdate     bool          `json:"package_update"`
	WriteFiles        []writtenFile `json:"write_files"`
	RunCmd            [][]string    `json:"runcmd"`
	FinalMessage      string        `json:"final_message"`
}

// parse reads user data strictly, as the host would, with every file's content decoded.
func parse(t testing.TB, out []byte) cloudConfig {
	t.Helper()
	if !bytes.HasPrefix(out, []byte("#cloud-config\n")) {
		t.Fatalf("starts with %.20q", out)
	}
	var c cloudConfig
	if err := yaml.UnmarshalStrict(out, &c); err != nil {
		t.Fatalf("parse the user data: %v", err)
	}
	for i := range c.WriteFiles {
		c.WriteFiles[i].Content = decode(t, c.WriteFiles[i])
	}
	return c
}

func decode(t testing.TB, f writtenFile) string {
	t.Helper()
	if f.Encoding == "text/plain" {
		return f.Content
	}
	raw, err := base64.StdEncoding.DecodeString(f.Content)
	if err != nil {
		t.Fatalf("%s: %v", f.Path, err)
	}
	if f.Encoding == "b64" {
		return string(raw)
	}
	if f.Encoding != "gz+b64" {
		t.Fatalf("%s: encoding %q", f.Path, f.Encoding)
	}
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%s: %v", f.Path, err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", f.Path, err)
	}
	return string(content)
}

func (c cloudConfig) file(t testing.TB, path string) writtenFile {
	t.Helper()
	for _, f := range c.WriteFiles {
		if f.Path == path {
			return f
		}
	}
	t.Fatalf("there is no %s", path)
	return writtenFile{}
}

func render(t testing.TB, h userdata.Host) []byte {
	t.Helper()
	out, err := userdata.Render(h)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
