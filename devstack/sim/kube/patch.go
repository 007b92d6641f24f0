package kube

import (
	"errors"
	"fmt"
	"net/http"

	jsonpatch "github.com/evanphx/json-patch/v5"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

func (s *server) patch(w http.ResponseWriter, r *http.Request, q *query) (any, int, error) {
	body, media, err := readBody(r)
	if err != nil {
		return nil, 0, err
	}
	var stored object
	status := http.StatusOK
	if types.PatchType(media) == types.ApplyYAMLPatchType {
		stored, status, err = s.apply(w, r, q, body)
	} else {
		err = s.transact(q, func(t *transaction) error {
			stored, err = s.patchStored(t, w, q, types.PatchType(media), body)
			return err
		})
	}
	if err != nil {
		return nil, 0, err
	}
	return s.render(q, stored), status, nil
}

func (s *server) patchStored(t *transaction, w http.ResponseWriter, q *query, kind types.PatchType, body []byte) (object, error) {
	before, err := t.find(q.kind, q.namespace, q.name)
	if err != nil {
		return nil, err
	}
	original, err := before.MarshalJSON()
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	patched, err := applyPatch(q.kind, kind, original, body)
	if err != nil {
		return nil, err
	}
	after, err := decodePlain(patched)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if err := matchPath(after, q); err != nil {
		return nil, err
	}
	return s.replace(t, w, q, before, after)
}

func applyPatch(k *kind, kind types.PatchType, original, body []byte) ([]byte, error) {
	switch kind {
	case types.JSONPatchType:
		return applyJSONPatch(original, body)
	case types.MergePatchType:
		patched, err := jsonpatch.MergePatch(original, body)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return patched, nil
	case types.StrategicMergePatchType:
		typed, err := scheme.Scheme.New(k.GroupVersionKind)
		if err != nil {
			return nil, apierrors.NewInternalError(err)
		}
		patched, err := strategicpatch.StrategicMergePatch(original, body, typed)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return patched, nil
	default:
		return nil, errMediaType(string(kind))
	}
}

func applyJSONPatch(original, body []byte) ([]byte, error) {
	patch, err := jsonpatch.DecodePatch(body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	patched, err := patch.Apply(original)
	switch {
	case err == nil:
		return patched, nil
	case errors.Is(err, jsonpatch.ErrTestFailed), errors.Is(err, jsonpatch.ErrMissing):
		return nil, errUnprocessable(err)
	default:
		return nil, apierrors.NewBadRequest(err.Error())
	}
}

func errUnprocessable(err error) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Message: err.Error(),
	}}
}

// apply is server-side apply: what the manager applies is merged into the object, by the types' own merge rules; fields
// of others that it would change are conflicts unless forced, and fields that it applied before and no longer does go.
func (s *server) apply(w http.ResponseWriter, r *http.Request, q *query, body []byte) (object, int, error) {
	if r.URL.Query().Get("fieldManager") == "" {
		return nil, 0, apierrors.NewBadRequest("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch")
	}
	applied, err := decodePlain(body)
	if err != nil {
		return nil, 0, apierrors.NewBadRequest("error decoding YAML: " + err.Error())
	}
	if err := matchPath(applied, q); err != nil {
		return nil, 0, err
	}
	if applied.GetManagedFields() != nil {
		return nil, 0, apierrors.NewBadRequest("metadata.managedFields must be nil")
	}
	limitApplied(q, applied)
	manager, err := s.cluster.schema.fieldManager(q.kind, q.subresource)
	if err != nil {
		return nil, 0, apierrors.NewInternalError(err)
	}
	merge := func(live object) (object, error) {
		merged, err := manager.Apply(live.DeepCopy(), applied.DeepCopy(), q.manager, q.force)
		if err != nil {
			return nil, err
		}
		return merged.(*unstructured.Unstructured), nil
	}
	var stored object
	status := http.StatusOK
	err = s.transact(q, func(t *transaction) error {
		before, there := t.get(q.kind, q.namespace, q.name)
		switch {
		case there:
			stored, err = s.applyTo(t, w, q, before, applied, merge)
		case q.subresource != "" || applied.GetUID() != "" || applied.GetResourceVersion() != "":
			return apierrors.NewNotFound(q.kind.groupResource(), q.name)
		default:
			status = http.StatusCreated
			stored, err = s.insert(t, w, q, applied, merge)
		}
		return err
	})
	return stored, status, err
}

func (s *server) applyTo(t *transaction, w http.ResponseWriter, q *query, before, applied object, merge func(object) (object, error)) (object, error) {
	if err := checkPreconditions(q, before, applied); err != nil {
		return nil, err
	}
	after, err := merge(before)
	if err != nil {
		return nil, err
	}
	return s.store(t, w, q, before, limitTo(q, before, after))
}

// limitApplied drops what the path does not let a manager own.
func limitApplied(q *query, applied object) {
	if !q.kind.status {
		return
	}
	if q.subresource != "status" {
		delete(applied.Object, "status")
		return
	}
	for field := range applied.Object {
		if field != "status" && field != "metadata" && field != "apiVersion" && field != "kind" {
			delete(applied.Object, field)
		}
	}
}

// own enters into the books that a manager wrote what is different between before and after.
func (s *server) own(q *query, before, after object) (object, error) {
	if q.manager == "" {
		return after, nil
	}
	manager, err := s.cluster.schema.fieldManager(q.kind, q.subresource)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	// unknown fields have no owner
	known, _, err := s.cluster.schema.normalize(q.kind, after)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", q.kind.Kind, q.kind.Version, q.kind.Kind, err))
	}
	owned, err := manager.Update(before.DeepCopy(), known, q.manager)
	if err != nil {
		return nil, err
	}
	books := owned.(*unstructured.Unstructured).GetManagedFields()
	after = after.DeepCopy()
	after.SetManagedFields(books)
	return after, nil
}
