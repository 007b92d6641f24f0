package kube

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// historyLength is how many changes a watch can be behind before it has to list anew.
const historyLength = 2048

// object is stored, and never changed from then on: a change stores another one.
type object = *unstructured.Unstructured

// store has the objects of a cluster.
type store struct {
	clock Clock

	mu       sync.Mutex
	revision uint64
	objects  map[*kind]map[string]object
	history  []change
	changed  chan struct{} // closed by the next change
}

// change is what happened to an object. before is nil for a new one, after has the last state of one that is gone.
type change struct {
	revision      uint64
	kind          *kind
	what          watch.EventType
	before, after object
}

func newStore(clock Clock) *store {
	return &store{clock: clock, revision: 1, objects: map[*kind]map[string]object{}, changed: make(chan struct{})}
}

// transaction is a use of the store while nobody else does.
type transaction struct {
	*store
	dryRun bool
}

// do runs a transaction. There is no way back from a write in it, so checks come first.
func (s *store) do(f func(*transaction) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(&transaction{store: s})
}

func key(namespace, name string) string { return namespace + "/" + name }

func (t *transaction) get(k *kind, namespace, name string) (object, bool) {
	found, there := t.objects[k][key(namespace, name)]
	return found, there
}

// find is get with the error of an API.
func (t *transaction) find(k *kind, namespace, name string) (object, error) {
	found, there := t.get(k, namespace, name)
	if !there {
		return nil, apierrors.NewNotFound(k.groupResource(), name)
	}
	return found, nil
}

// list returns the objects of a namespace, or of all when it is empty, in the order of their names.
func (t *transaction) list(k *kind, namespace string) []object {
	all := t.objects[k]
	found := make([]object, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if o := all[key]; namespace == "" || o.GetNamespace() == namespace {
			found = append(found, o)
		}
	}
	return found
}

// put stores an object in place of before, which is nil for a new one, and returns it as stored. What the server sets is
// set here. An object that was being deleted goes once nothing holds it any more.
func (t *transaction) put(k *kind, before, after object) object {
	after = after.DeepCopy()
	if before == nil {
		after.SetUID(newUID())
		after.SetCreationTimestamp(metav1.NewTime(t.clock.Now()).Rfc3339Copy())
		after.SetSelfLink("")
		if hasGeneration(after) {
			after.SetGeneration(1)
		}
		return t.record(k, watch.Added, nil, after)
	}
	after.SetUID(before.GetUID())
	after.SetCreationTimestamp(before.GetCreationTimestamp())
	after.SetDeletionTimestamp(before.GetDeletionTimestamp())
	after.SetGeneration(before.GetGeneration())
	after.SetResourceVersion(before.GetResourceVersion())
	if reflect.DeepEqual(before.Object, after.Object) {
		return before
	}
	if hasGeneration(after) && !reflect.DeepEqual(before.Object["spec"], after.Object["spec"]) {
		after.SetGeneration(before.GetGeneration() + 1)
	}
	if after.GetDeletionTimestamp() != nil && len(after.GetFinalizers()) == 0 {
		return t.record(k, watch.Deleted, before, after)
	}
	return t.record(k, watch.Modified, before, after)
}

// remove deletes an object, or marks it when it has finalizers.
func (t *transaction) remove(k *kind, before object) object {
	after := before.DeepCopy()
	if len(after.GetFinalizers()) == 0 {
		return t.record(k, watch.Deleted, before, after)
	}
	if after.GetDeletionTimestamp() != nil {
		return before
	}
	now := metav1.NewTime(t.clock.Now()).Rfc3339Copy()
	after.SetDeletionTimestamp(&now)
	return t.record(k, watch.Modified, before, after)
}

func (t *transaction) record(k *kind, what watch.EventType, before, after object) object {
	if t.dryRun {
		return after
	}
	t.revision++
	after.SetResourceVersion(strconv.FormatUint(t.revision, 10))
	id := key(after.GetNamespace(), after.GetName())
	if what == watch.Deleted {
		delete(t.objects[k], id)
	} else {
		if t.objects[k] == nil {
			t.objects[k] = map[string]object{}
		}
		t.objects[k][id] = after
	}
	t.history = append(t.history, change{revision: t.revision, kind: k, what: what, before: before, after: after})
	if len(t.history) > 2*historyLength {
		t.history = slices.Clone(t.history[historyLength:])
	}
	close(t.changed)
	t.changed = make(chan struct{})
	return after
}

// since returns the changes after a revision and a channel that the next one closes; ok is false when the history does
// not go back that far.
func (s *store) since(revision uint64) (changes []change, next <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if revision >= s.revision {
		return nil, s.changed, true
	}
	oldest := s.revision - uint64(len(s.history)) // every revision after the first has its entry
	if revision < oldest {
		return nil, nil, false
	}
	return slices.Clone(s.history[revision-oldest:]), s.changed, true
}

func hasGeneration(o object) bool {
	_, there := o.Object["spec"]
	return there && o.GetKind() != "Node"
}

func newUID() types.UID { return types.UID(uuid.NewString()) }
