package kube

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	apischema "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
)

// kind is a resource of the API.
type kind struct {
	apischema.GroupVersionKind
	plural     string
	short      []string
	namespaced bool
	status     bool // has the subresource
	// freeNames allows what RBAC does, "system:masters" for one, where others want a DNS name
	freeNames bool
	// loose: its objects are stored as they come, for it is of another API server's types
	loose bool
}

func (k *kind) groupResource() apischema.GroupResource {
	return apischema.GroupResource{Group: k.Group, Resource: k.plural}
}

func (k *kind) singular() string { return strings.ToLower(k.Kind) }

// checkName says what is wrong with an object's name.
func (k *kind) checkName(name string, prefix bool) []string {
	if k.freeNames {
		if name == "." || name == ".." || strings.ContainsAny(name, "/%") {
			return []string{"may not be '.' or '..', nor contain '/' or '%'"}
		}
		return nil
	}
	if prefix {
		name = strings.TrimSuffix(name, "-") + "a"
	}
	if k.Kind == "Namespace" || k.Kind == "Service" {
		return validation.IsDNS1123Label(name)
	}
	return validation.IsDNS1123Subdomain(name)
}

func kinds() []*kind {
	v1 := func(group, name, plural string, short ...string) *kind {
		return &kind{GroupVersionKind: apischema.GroupVersionKind{Group: group, Version: "v1", Kind: name}, plural: plural, short: short}
	}
	in := func(k *kind) *kind { k.namespaced = true; return k }
	st := func(k *kind) *kind { k.status = true; return k }
	loose := func(k *kind) *kind { k.loose = true; return k }
	free := func(k *kind) *kind { k.freeNames = true; return k }
	const rbac, storage = "rbac.authorization.k8s.io", "storage.k8s.io"
	return []*kind{
		st(v1("", "Node", "nodes", "no")),
		st(v1("", "Namespace", "namespaces", "ns")),
		in(st(v1("", "Pod", "pods", "po"))),
		in(st(v1("", "Service", "services", "svc"))),
		in(v1("", "ConfigMap", "configmaps", "cm")),
		in(v1("", "Secret", "secrets")),
		in(v1("", "ServiceAccount", "serviceaccounts", "sa")),
		in(v1("", "Event", "events", "ev")),
		st(v1("", "PersistentVolume", "persistentvolumes", "pv")),
		in(st(v1("", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc"))),
		in(st(v1("apps", "Deployment", "deployments", "deploy"))),
		in(st(v1("apps", "DaemonSet", "daemonsets", "ds"))),
		in(st(v1("apps", "StatefulSet", "statefulsets", "sts"))),
		in(st(v1("apps", "ReplicaSet", "replicasets", "rs"))),
		free(v1(rbac, "ClusterRole", "clusterroles")),
		free(v1(rbac, "ClusterRoleBinding", "clusterrolebindings")),
		in(free(v1(rbac, "Role", "roles"))),
		in(free(v1(rbac, "RoleBinding", "rolebindings"))),
		v1(storage, "StorageClass", "storageclasses", "sc"),
		st(v1(storage, "VolumeAttachment", "volumeattachments")),
		v1(storage, "CSIDriver", "csidrivers"),
		v1(storage, "CSINode", "csinodes"),
		in(st(v1("policy", "PodDisruptionBudget", "poddisruptionbudgets", "pdb"))),
		in(v1("coordination.k8s.io", "Lease", "leases")),
		v1("node.k8s.io", "RuntimeClass", "runtimeclasses"),
		st(v1("certificates.k8s.io", "CertificateSigningRequest", "certificatesigningrequests", "csr")),
		v1("scheduling.k8s.io", "PriorityClass", "priorityclasses", "pc"),
		in(v1("networking.k8s.io", "NetworkPolicy", "networkpolicies", "netpol")),
		loose(st(v1("apiregistration.k8s.io", "APIService", "apiservices"))),
	}
}

// schema knows all kinds, their Go types, and how their fields merge.
type schema struct {
	kinds     []*kind
	converter managedfields.TypeConverter

	mu       sync.Mutex
	managers map[string]*managedfields.FieldManager
}

func newSchema() *schema {
	return &schema{
		kinds:     kinds(),
		converter: applyconfigurations.NewTypeConverter(scheme.Scheme),
		managers:  map[string]*managedfields.FieldManager{},
	}
}

// find returns the kind of a resource; nil when there is none.
func (s *schema) find(group, version, plural string) *kind {
	for _, k := range s.kinds {
		if k.Group == group && k.Version == version && k.plural == plural {
			return k
		}
	}
	return nil
}

// kind returns a kind that the simulator itself uses, by its name.
func (s *schema) kind(name string) *kind {
	i := slices.IndexFunc(s.kinds, func(k *kind) bool { return k.Kind == name })
	return s.kinds[i]
}

// versions returns the group versions beside v1, sorted.
func (s *schema) versions() []apischema.GroupVersion {
	seen := map[apischema.GroupVersion]bool{}
	for _, k := range s.kinds {
		if k.Group != "" {
			seen[k.GroupVersion()] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b apischema.GroupVersion) int { return strings.Compare(a.String(), b.String()) })
}

// fieldManager keeps the books of who manages which field of a kind.
func (s *schema) fieldManager(k *kind, subresource string) (*managedfields.FieldManager, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := k.String() + "/" + subresource
	if manager, there := s.managers[key]; there {
		return manager, nil
	}
	converter := s.converter
	if k.loose {
		converter = managedfields.NewDeducedTypeConverter()
	}
	manager, err := managedfields.NewDefaultFieldManager(converter, oneVersion{}, oneVersion{}, oneVersion{},
		k.GroupVersionKind, k.GroupVersion(), subresource, nil)
	if err != nil {
		return nil, fmt.Errorf("make the field manager of %s: %w", k.plural, err)
	}
	s.managers[key] = manager
	return manager, nil
}

// normalize returns the object as its Go type would encode it: values of a wrong type are an error, unknown fields are
// dropped and returned as a strict decoding error.
func (s *schema) normalize(k *kind, object *unstructured.Unstructured) (normal *unstructured.Unstructured, unknown, err error) {
	if k.loose {
		return object.DeepCopy(), nil, nil
	}
	typed, err := scheme.Scheme.New(k.GroupVersionKind)
	if err != nil {
		return nil, nil, fmt.Errorf("make a %s: %w", k.Kind, err)
	}
	err = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, typed, true)
	if err != nil && !runtime.IsStrictDecodingError(err) {
		return nil, nil, err
	}
	if secret, ok := typed.(*corev1.Secret); ok {
		mergeStringData(secret)
	}
	normal, convertErr := toUnstructured(typed, k)
	return normal, err, convertErr
}

// mergeStringData does what the API server does with the part of a Secret that can only be written.
func mergeStringData(secret *corev1.Secret) {
	for name, value := range secret.StringData {
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		secret.Data[name] = []byte(value)
	}
	secret.StringData = nil
}

func toUnstructured(typed runtime.Object, k *kind) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil, fmt.Errorf("encode a %s: %w", k.Kind, err)
	}
	object := &unstructured.Unstructured{Object: content}
	object.SetGroupVersionKind(k.GroupVersionKind)
	if created := object.GetCreationTimestamp(); created.IsZero() {
		unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	}
	if status, ok := content["status"].(map[string]any); ok && len(status) == 0 {
		delete(content, "status")
	}
	return object, nil
}

// oneVersion is what managedfields needs of a scheme whose objects are maps and have one version each.
type oneVersion struct{}

func (oneVersion) Convert(_, _, _ any) error {
	return fmt.Errorf("kinds here have one version each")
}

func (oneVersion) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (oneVersion) ConvertFieldLabel(_ apischema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

func (oneVersion) Default(runtime.Object) {}

func (oneVersion) New(gvk apischema.GroupVersionKind) (runtime.Object, error) {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(gvk)
	return object, nil
}
