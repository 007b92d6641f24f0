package kube

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
)

func newPod(name, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "db"}},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "c:1"}}},
	}
}

// TestDrain empties a node against a disruption budget.
func TestDrain(t *testing.T) {
	c := readyCloud(t)
	client := c.client("system:masters")
	pods := client.CoreV1().Pods("default")
	for i := range 3 {
		_, err := pods.Create(t.Context(), newPod(fmt.Sprintf("db-%d", i), "demo-node-0"), metav1.CreateOptions{})
		check(t, err)
	}
	budget, err := client.PolicyV1().PodDisruptionBudgets("default").Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: ptr(intstr.FromInt32(2)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}},
	}, metav1.CreateOptions{})
	check(t, err)
	evict := func(name string) error {
		return pods.EvictV1(t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}})
	}
	check(t, evict("db-0"))
	if err := evict("db-1"); !apierrors.IsTooManyRequests(err) || !apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause) {
		t.Fatalf("against the budget: %v", err)
	}
	on, err := pods.List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=demo-node-0"})
	check(t, err)
	if len(on.Items) != 2 {
		t.Errorf("%d pods on the node", len(on.Items))
	}
	budget.Spec.MinAvailable = ptr(intstr.FromString("0%"))
	_, err = client.PolicyV1().PodDisruptionBudgets("default").Update(t.Context(), budget, metav1.UpdateOptions{})
	check(t, err)
	check(t, evict("db-1"))
	check(t, evict("db-2"))
	if err := evict("db-2"); !apierrors.IsNotFound(err) {
		t.Errorf("twice: %v", err)
	}
}

func TestAccess(t *testing.T) {
	c := readyCloud(t)
	reader, admin := c.client("readers"), c.client("system:masters")
	_, err := reader.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	check(t, err)
	if err := reader.CoreV1().Nodes().Delete(t.Context(), "demo-node-0", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("write of a reader: %v", err)
	}
	_, err = admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "jeroboam:readers"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "readers"}},
	}, metav1.CreateOptions{})
	check(t, err)
	check(t, reader.CoreV1().Nodes().Delete(t.Context(), "demo-node-0", metav1.DeleteOptions{}))

	cert, key := newPKI(t).client(t, "stranger", "system:masters")
	stranger := c.config()
	stranger.CertData, stranger.KeyData = cert, key
	nobody := c.config()
	nobody.CertData, nobody.KeyData = nil, nil
	bearer := rest.CopyConfig(nobody)
	bearer.BearerToken = "nonsense"
	for _, test := range []struct {
		name   string
		config *rest.Config
		path   string
		status int
	}{
		{"certificate of another CA", stranger, "/api/v1/nodes", 401},
		{"unknown token", bearer, "/api/v1/nodes", 401},
		{"nobody", nobody, "/api/v1/nodes", 403},
		{"nobody asks what there is", nobody, "/apis", 403},
		{"nobody reads cluster-info", nobody, "/api/v1/namespaces/kube-public/configmaps/cluster-info", 200},
		{"nobody asks for the version", nobody, "/version", 200},
		{"kubectl asks how to apply", c.config("x"), "/openapi/v3/apis/apps/v1", 200},
		{"nobody asks for health", nobody, "/readyz?verbose", 200},
		{"no such path", c.config("system:masters"), "/apis/nothing.example/v1/things", 404},
	} {
		status, body := get(t, test.config, test.path, "")
		if status != test.status {
			t.Errorf("%s: %d %s", test.name, status, body)
		}
		if status >= 400 && !strings.Contains(body, `"kind":"Status"`) {
			t.Errorf("%s: %s", test.name, body)
		}
	}
}

func TestTable(t *testing.T) {
	c := readyCloud(t)
	_, body := get(t, c.config("x"), "/api/v1/nodes", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
	var table metav1.Table
	check(t, json.Unmarshal([]byte(body), &table))
	var names []string
	for _, column := range table.ColumnDefinitions {
		if column.Priority == 0 {
			names = append(names, strings.ToUpper(column.Name))
		}
	}
	if got := strings.Join(names, " "); got != "NAME STATUS ROLES AGE VERSION" {
		t.Errorf("columns %s", got)
	}
	row := table.Rows[0].Cells
	if row[0] != "demo-master-0" || row[1] != "Ready" || row[2] != "control-plane" || row[4] != "v1.37.2" || table.Rows[1].Cells[2] != "<none>" {
		t.Errorf("rows %v", table.Rows)
	}
}

func get(t *testing.T, config *rest.Config, path, accept string) (status int, body string) {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	check(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Host+path, nil)
	check(t, err)
	request.Header.Set("Accept", accept)
	response, err := client.Do(request)
	check(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	check(t, err)
	return response.StatusCode, string(content)
}
