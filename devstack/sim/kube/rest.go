package kube

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
)

func (s *server) get(q *query) (any, error) {
	var found object
	err := s.cluster.store.do(func(t *transaction) error {
		var err error
		found, err = t.find(q.kind, q.namespace, q.name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.render(q, found), nil
}

// listOf is the list of a kind.
type listOf struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ListMeta  `json:"metadata"`
	Items           []map[string]any `json:"items"`
}

func (s *server) list(q *query) (any, error) {
	found, revision := s.selected(q)
	meta := metav1.ListMeta{ResourceVersion: revision}
	if q.table {
		return s.tableOf(q, found, meta), nil
	}
	list := listOf{
		TypeMeta: metav1.TypeMeta{APIVersion: q.kind.GroupVersion().String(), Kind: q.kind.Kind + "List"},
		Metadata: meta, Items: make([]map[string]any, 0, len(found)),
	}
	for _, o := range found {
		list.Items = append(list.Items, o.Object)
	}
	return list, nil
}

func (s *server) selected(q *query) (found []object, revision string) {
	_ = s.cluster.store.do(func(t *transaction) error {
		for _, o := range t.list(q.kind, q.namespace) {
			if q.selects(o) {
				found = append(found, o)
			}
		}
		revision = strconv.FormatUint(t.revision, 10)
		return nil
	})
	return found, revision
}

// render is an object as the client wants to see it.
func (s *server) render(q *query, o object) any {
	if q.table {
		return s.tableOf(q, []object{o}, metav1.ListMeta{ResourceVersion: o.GetResourceVersion()})
	}
	return o.Object
}

func (s *server) create(w http.ResponseWriter, r *http.Request, q *query) (any, error) {
	if q.subresource == "eviction" {
		return s.evict(r, q)
	}
	posted, err := s.decodeObject(r, q)
	if err != nil {
		return nil, err
	}
	posted.SetResourceVersion("")
	if posted.GetName() == "" && posted.GetGenerateName() != "" {
		posted.SetName(posted.GetGenerateName() + utilrand.String(5))
	}
	var stored object
	err = s.transact(q, func(t *transaction) error {
		stored, err = s.insert(t, w, q, posted, func(empty object) (object, error) {
			return s.own(q, empty, posted)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.render(q, stored), nil
}

// insert stores a new object; merged adds the books of field ownership to it.
func (s *server) insert(t *transaction, w http.ResponseWriter, q *query, posted object, merged func(empty object) (object, error)) (object, error) {
	if _, there := t.get(q.kind, q.namespace, posted.GetName()); there {
		return nil, apierrors.NewAlreadyExists(q.kind.groupResource(), posted.GetName())
	}
	if q.kind.namespaced {
		namespace, err := t.find(s.cluster.schema.kind("Namespace"), "", q.namespace)
		if err != nil {
			return nil, err
		}
		if namespace.GetDeletionTimestamp() != nil {
			return nil, apierrors.NewForbidden(q.kind.groupResource(), posted.GetName(),
				fmt.Errorf("unable to create new content in namespace %s because it is being terminated", q.namespace))
		}
	}
	empty, err := oneVersion{}.New(q.kind.GroupVersionKind)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	after, err := merged(empty.(*unstructured.Unstructured))
	if err != nil {
		return nil, err
	}
	if after, err = s.check(w, q, after); err != nil {
		return nil, err
	}
	s.cluster.admitNew(t, q.kind, after)
	stored := s.cluster.control(t, q.kind, t.put(q.kind, nil, after))
	if q.kind.Kind == "Namespace" {
		return stored, s.cluster.giveRoots(t, stored.GetName())
	}
	return stored, nil
}

func (s *server) update(w http.ResponseWriter, r *http.Request, q *query) (any, error) {
	posted, err := s.decodeObject(r, q)
	if err != nil {
		return nil, err
	}
	var stored object
	err = s.transact(q, func(t *transaction) error {
		before, err := t.find(q.kind, q.namespace, q.name)
		if err != nil {
			return err
		}
		stored, err = s.replace(t, w, q, before, posted)
		return err
	})
	if err != nil {
		return nil, err
	}
	if q.subresource == "approval" {
		s.cluster.signServing(q.name)
	}
	return s.render(q, stored), nil
}

// replace stores posted in place of before, with the books of field ownership kept.
func (s *server) replace(t *transaction, w http.ResponseWriter, q *query, before, posted object) (object, error) {
	if err := checkPreconditions(q, before, posted); err != nil {
		return nil, err
	}
	after := limitTo(q, before, posted)
	after, err := s.own(q, before, after)
	if err != nil {
		return nil, err
	}
	return s.store(t, w, q, before, after)
}

// store checks and stores a changed object.
func (s *server) store(t *transaction, w http.ResponseWriter, q *query, before, after object) (object, error) {
	after, err := s.check(w, q, after)
	if err != nil {
		return nil, err
	}
	if err := immutable(q.kind, before, after); err != nil {
		return nil, err
	}
	return s.cluster.control(t, q.kind, t.put(q.kind, before, after)), nil
}

func checkPreconditions(q *query, before, posted object) error {
	if version := posted.GetResourceVersion(); version != "" && version != before.GetResourceVersion() {
		return apierrors.NewConflict(q.kind.groupResource(), before.GetName(),
			errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	}
	if uid := posted.GetUID(); uid != "" && uid != before.GetUID() {
		return apierrors.NewConflict(q.kind.groupResource(), before.GetName(),
			fmt.Errorf("precondition failed: UID in precondition: %v, UID in object meta: %v", uid, before.GetUID()))
	}
	return nil
}

// limitTo keeps a request for status from changing anything else, and one for the object from changing status.
func limitTo(q *query, before, posted object) object {
	if !q.kind.status {
		return posted
	}
	after, from := posted.DeepCopy(), before
	if q.subresource == "status" || q.subresource == "approval" {
		managed := posted.GetManagedFields()
		after, from = before.DeepCopy(), posted
		after.SetManagedFields(managed)
	}
	delete(after.Object, "status")
	if status, there := from.Object["status"]; there {
		after.Object["status"] = status
	}
	return after
}

// transact runs a write.
func (s *server) transact(q *query, f func(*transaction) error) error {
	return s.cluster.store.do(func(t *transaction) error {
		t.dryRun = q.dryRun
		return f(t)
	})
}

func (s *server) delete(r *http.Request, q *query) (any, error) {
	options, err := decodeDeleteOptions(r)
	if err != nil {
		return nil, err
	}
	q.dryRun = q.dryRun || len(options.DryRun) > 0
	var left object
	var uid types.UID
	err = s.transact(q, func(t *transaction) error {
		before, err := t.find(q.kind, q.namespace, q.name)
		if err != nil {
			return err
		}
		if err := checkDelete(q, before, options.Preconditions); err != nil {
			return err
		}
		uid = before.GetUID()
		s.cluster.remove(t, q.kind, before)
		left, _ = t.get(q.kind, q.namespace, q.name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if left != nil && left.GetDeletionTimestamp() != nil {
		return s.render(q, left), nil
	}
	return metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{Name: q.name, Group: q.kind.Group, Kind: q.kind.plural, UID: uid},
	}, nil
}

func checkDelete(q *query, before object, p *metav1.Preconditions) error {
	if p == nil {
		return nil
	}
	if p.UID != nil && *p.UID != before.GetUID() || p.ResourceVersion != nil && *p.ResourceVersion != before.GetResourceVersion() {
		return apierrors.NewConflict(q.kind.groupResource(), before.GetName(), errors.New("precondition failed"))
	}
	return nil
}

func (s *server) deleteCollection(r *http.Request, q *query) (any, error) {
	options, err := decodeDeleteOptions(r)
	if err != nil {
		return nil, err
	}
	q.dryRun = q.dryRun || len(options.DryRun) > 0
	err = s.transact(q, func(t *transaction) error {
		for _, o := range t.list(q.kind, q.namespace) {
			if q.selects(o) {
				s.cluster.remove(t, q.kind, o)
			}
		}
		return nil
	})
	return metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess}, err
}

// remove deletes an object, and what is in it when it is a namespace. Static pods of a node stay: the collector of such pods
// comes to them up to a minute later, which is longer than kubeadm waits before it looks at them.
func (c *cluster) remove(t *transaction, k *kind, before object) {
	if k.Kind == "Namespace" {
		for _, inner := range c.schema.kinds {
			if !inner.namespaced {
				continue
			}
			for _, o := range t.list(inner, before.GetName()) {
				t.remove(inner, o)
			}
		}
	}
	t.remove(k, before)
}

// admitNew sets what the server, or a controller within a moment, sets on a new object.
func (c *cluster) admitNew(t *transaction, k *kind, o object) {
	switch k.Kind {
	case "Namespace":
		labels := o.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[corev1.LabelMetadataName] = o.GetName()
		o.SetLabels(labels)
		o.Object["status"] = map[string]any{"phase": string(corev1.NamespaceActive)}
	case "Pod":
		o.Object["status"] = c.podStatus(t, o)
		if name, _, _ := unstructured.NestedString(o.Object, "spec", "nodeName"); name != "" {
			c.bind(name)
		}
	default:
		if k.status {
			delete(o.Object, "status")
		}
	}
}

// podStatus has a pod that is bound to a node run there at once; one that is not waits for a scheduler that is not
// simulated.
func (c *cluster) podStatus(t *transaction, pod object) map[string]any {
	name, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName")
	var typed corev1.Pod
	runs := runtime.DefaultUnstructuredConverter.FromUnstructured(pod.Object, &typed) == nil && runsOnHost(&typed)
	if _, there := t.get(c.schema.kind("Node"), "", name); !there || runs {
		return map[string]any{"phase": string(corev1.PodPending)}
	}
	now := c.clock.Now().UTC().Format("2006-01-02T15:04:05Z")
	return map[string]any{
		"phase": string(corev1.PodRunning), "startTime": now,
		"conditions": []any{map[string]any{"type": string(corev1.PodReady), "status": "True", "lastTransitionTime": now}},
	}
}
