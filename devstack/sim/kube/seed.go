package kube

import (
	"encoding/pem"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

const (
	systemNamespace = "kube-system"
	publicNamespace = "kube-public"
	mastersGroup    = "system:masters"
	adminsGroup     = "kubeadm:cluster-admins"
	clusterAdmin    = "cluster-admin"

	tokenSecretType = "bootstrap.kubernetes.io/token"
	tokenPrefix     = "bootstrap-token-"
)

// seed makes the objects that are there after kubeadm init: those of the API server itself, of kubeadm's phases, and the
// bootstrap tokens.
func (c *cluster) seed(config *kubeadmConfig, firstAddress string) error {
	objects := c.systemObjects()
	maps, err := c.configMaps(config, firstAddress)
	if err != nil {
		return err
	}
	objects = append(objects, maps...)
	for _, token := range config.init.BootstrapTokens {
		objects = append(objects, c.tokenSecret(token))
	}
	return c.store.do(func(t *transaction) error {
		for _, typed := range objects {
			k := c.schema.kind(typed.GetObjectKind().GroupVersionKind().Kind)
			o, err := toUnstructured(typed, k)
			if err != nil {
				return err
			}
			t.put(k, nil, o)
		}
		c.roots = encodePEM(c.authorities.ca.cert.Raw)
		for _, namespace := range t.list(c.schema.kind("Namespace"), "") {
			if err := c.giveRoots(t, namespace.GetName()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *cluster) systemObjects() []runtime.Object {
	var objects []runtime.Object
	for _, name := range []string{"default", systemNamespace, publicNamespace, "kube-node-lease"} {
		objects = append(objects, newNamespace(name))
	}
	objects = append(objects, &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Name: "kubernetes", Namespace: "default", Labels: map[string]string{"component": "apiserver", "provider": "kubernetes"}},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: firstServiceIP(&c.config), ClusterIPs: []string{firstServiceIP(&c.config)},
			Ports: []corev1.ServicePort{{Name: "https", Port: 443, Protocol: corev1.ProtocolTCP}},
		},
	}, &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: clusterAdmin},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}},
	})
	for name, group := range map[string]string{clusterAdmin: mastersGroup, adminsGroup: adminsGroup} {
		objects = append(objects, &rbacv1.ClusterRoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRoleBinding"},
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterAdmin},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: group}},
		})
	}
	return objects
}

func newNamespace(name string) *corev1.Namespace {
	return &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}},
		Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
	}
}

// configMaps are those in which kubeadm keeps what later joins and upgrades need.
func (c *cluster) configMaps(config *kubeadmConfig, firstAddress string) ([]runtime.Object, error) {
	endpoint := c.config.ControlPlaneEndpoint
	if endpoint == "" {
		endpoint = net.JoinHostPort(firstAddress, strconv.Itoa(int(config.init.LocalAPIEndpoint.BindPort)))
	}
	info, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "",
		"clusters": []any{map[string]any{"name": "", "cluster": map[string]any{
			"server":                     "https://" + endpoint,
			"certificate-authority-data": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.authorities.ca.cert.Raw}),
		}}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode cluster-info: %w", err)
	}
	objects := []runtime.Object{
		newConfigMap(systemNamespace, "kubeadm-config", "ClusterConfiguration", config.clusterDocument),
		newConfigMap(publicNamespace, "cluster-info", "kubeconfig", info),
	}
	if config.kubelet != nil {
		objects = append(objects, newConfigMap(systemNamespace, "kubelet-config", "kubelet", config.kubelet))
	}
	if config.kubeProxy != nil && !c.config.Proxy.Disabled {
		objects = append(objects, newConfigMap(systemNamespace, "kube-proxy", "config.conf", config.kubeProxy))
	}
	return objects, nil
}

func newConfigMap(namespace, name, key string, content []byte) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Data:       map[string]string{key: string(content)},
	}
}

// tokenSecret is how a bootstrap token is kept. Others can be made through the API, in the same form.
func (c *cluster) tokenSecret(token bootstrapToken) *corev1.Secret {
	id, secret, _ := strings.Cut(token.Token, ".")
	data := map[string][]byte{
		"token-id": []byte(id), "token-secret": []byte(secret), "description": []byte(token.Description),
		"auth-extra-groups": []byte(strings.Join(token.Groups, ",")),
	}
	switch {
	case token.Expires != nil:
		data["expiration"] = []byte(token.Expires.UTC().Format(time.RFC3339))
	case token.TTL.Duration > 0: // 0 is for ever
		data["expiration"] = []byte(c.clock.Now().Add(token.TTL.Duration).UTC().Format(time.RFC3339))
	}
	for _, usage := range token.Usages {
		data["usage-bootstrap-"+usage] = []byte("true")
	}
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: tokenPrefix + id},
		Type:       tokenSecretType, Data: data,
	}
}
