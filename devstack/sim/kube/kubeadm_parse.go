package kube

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	kubeadmVersion   = "kubeadm.k8s.io/v1beta4"
	kubeletVersion   = "kubelet.config.k8s.io/v1beta1"
	kubeProxyVersion = "kubeproxy.config.k8s.io/v1alpha1"
)

// kubeadmConfig is what a configuration file of kubeadm has. init and cluster come together, join comes alone.
type kubeadmConfig struct {
	init    *initConfiguration
	cluster *clusterConfiguration
	join    *joinConfiguration
	// clusterDocument is the document of cluster, which kubeadm keeps in a ConfigMap.
	clusterDocument []byte
	kubelet         []byte
	kubeProxy       []byte
}

// parseKubeadm reads a configuration of several documents strictly and sets kubeadm's defaults.
func parseKubeadm(content []byte, verb string) (*kubeadmConfig, error) {
	documents, err := splitDocuments(content)
	if err != nil {
		return nil, err
	}
	config := &kubeadmConfig{}
	seen := map[metav1.TypeMeta]bool{}
	for _, document := range documents {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return nil, fmt.Errorf("error unmarshaling configuration: %w", err)
		}
		if seen[kind] {
			return nil, fmt.Errorf("invalid configuration: kind %q is specified more than once", kind.Kind)
		}
		seen[kind] = true
		if err := config.add(kind, document); err != nil {
			return nil, fmt.Errorf("error unmarshaling configuration %s, Kind=%s: %w", kind.APIVersion, kind.Kind, err)
		}
	}
	if err := config.complete(verb); err != nil {
		return nil, err
	}
	return config, nil
}

func splitDocuments(content []byte) ([][]byte, error) {
	reader := yamlutil.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	var documents [][]byte
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, fmt.Errorf("split the configuration into documents: %w", err)
		}
		if len(bytes.TrimSpace(document)) > 0 {
			documents = append(documents, document)
		}
	}
}

func (c *kubeadmConfig) add(kind metav1.TypeMeta, document []byte) error {
	switch kind {
	case metav1.TypeMeta{APIVersion: kubeadmVersion, Kind: "InitConfiguration"}:
		c.init = &initConfiguration{}
		return decodeStrict(document, c.init)
	case metav1.TypeMeta{APIVersion: kubeadmVersion, Kind: "ClusterConfiguration"}:
		c.cluster, c.clusterDocument = &clusterConfiguration{}, document
		return decodeStrict(document, c.cluster)
	case metav1.TypeMeta{APIVersion: kubeadmVersion, Kind: "JoinConfiguration"}:
		c.join = &joinConfiguration{}
		return decodeStrict(document, c.join)
	case metav1.TypeMeta{APIVersion: kubeletVersion, Kind: "KubeletConfiguration"}:
		c.kubelet = document
		return kubeletFields().check(document)
	case metav1.TypeMeta{APIVersion: kubeProxyVersion, Kind: "KubeProxyConfiguration"}:
		c.kubeProxy = document
		return kubeProxyFields().check(document)
	default:
		return errors.New("no kind of this name in this version is known")
	}
}

// complete checks that the documents are those of the command, and sets defaults.
func (c *kubeadmConfig) complete(verb string) error {
	switch {
	case verb == "init" && c.join != nil:
		return errors.New("kubeadm init: the configuration has a JoinConfiguration")
	case verb == "init" && c.cluster == nil:
		// kubeadm would take its own defaults, which are those of no cluster here
		return errors.New("kubeadm init: the configuration has no ClusterConfiguration")
	case verb == "join" && (c.init != nil || c.cluster != nil):
		return errors.New("kubeadm join: the configuration has an InitConfiguration or ClusterConfiguration")
	case verb == "join" && c.join == nil:
		return errors.New("no InitConfiguration or JoinConfiguration kind was found in the YAML file")
	}
	if verb == "join" {
		c.defaultJoin()
		return nil
	}
	if c.init == nil {
		c.init = &initConfiguration{}
	}
	c.defaultInit()
	return nil
}

func (c *kubeadmConfig) defaultInit() {
	defaultNode(&c.init.NodeRegistration)
	defaultPort(&c.init.LocalAPIEndpoint)
	for i := range c.init.BootstrapTokens {
		token := &c.init.BootstrapTokens[i]
		if token.TTL == nil && token.Expires == nil {
			token.TTL = &metav1.Duration{Duration: defaultTokenTTL}
		}
		if len(token.Usages) == 0 {
			token.Usages = []string{"signing", "authentication"}
		}
		if len(token.Groups) == 0 {
			token.Groups = []string{"system:bootstrappers:kubeadm:default-node-token"}
		}
	}
	cluster := c.cluster
	setDefault(&cluster.Networking.ServiceSubnet, "10.96.0.0/12")
	setDefault(&cluster.Networking.DNSDomain, "cluster.local")
	setDefault(&cluster.CertificatesDir, "/etc/kubernetes/pki")
	setDefault(&cluster.ImageRepository, "registry.k8s.io")
	setDefault(&cluster.ClusterName, "kubernetes")
	if cluster.CertificateValidityPeriod == nil {
		cluster.CertificateValidityPeriod = &metav1.Duration{Duration: defaultCertificateValidity}
	}
}

func (c *kubeadmConfig) defaultJoin() {
	join := c.join
	defaultNode(&join.NodeRegistration)
	setDefault(&join.CACertPath, "/etc/kubernetes/pki/ca.crt")
	if join.ControlPlane != nil {
		defaultPort(&join.ControlPlane.LocalAPIEndpoint)
	}
}

// node returns how the host is to be registered.
func (c *kubeadmConfig) node() *nodeRegistration {
	if c.join != nil {
		return &c.join.NodeRegistration
	}
	return &c.init.NodeRegistration
}

// localEndpoint returns where the host's API server listens; nil for a worker.
func (c *kubeadmConfig) localEndpoint() *apiEndpoint {
	switch {
	case c.init != nil:
		return &c.init.LocalAPIEndpoint
	case c.join.ControlPlane != nil:
		return &c.join.ControlPlane.LocalAPIEndpoint
	default:
		return nil
	}
}

func defaultNode(node *nodeRegistration) {
	setDefault(&node.CRISocket, "unix:///var/run/containerd/containerd.sock")
	if node.ImagePullPolicy == "" {
		node.ImagePullPolicy = "IfNotPresent"
	}
}

func defaultPort(endpoint *apiEndpoint) {
	if endpoint.BindPort == 0 {
		endpoint.BindPort = 6443
	}
}

func setDefault(value *string, to string) {
	if *value == "" {
		*value = to
	}
}

func isDuration(value any) bool {
	text, ok := value.(string)
	if !ok {
		return false
	}
	_, err := time.ParseDuration(text)
	return err == nil
}
