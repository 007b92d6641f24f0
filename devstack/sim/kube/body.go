package kube

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// readBody returns the body and its media type.
func readBody(r *http.Request) ([]byte, string, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, "", fmt.Errorf("read the request: %w", err)
	}
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		return body, runtime.ContentTypeJSON, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, "", apierrors.NewBadRequest("malformed Content-Type: " + err.Error())
	}
	return body, media, nil
}

func errMediaType(media string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType,
		Message: fmt.Sprintf("the body of the request was in an unknown format - %q", media),
	}}
}

// decodeObject reads the object of a create or update, in JSON, YAML or protobuf, and checks that it is the one in the
// path.
func (s *server) decodeObject(r *http.Request, q *query) (object, error) {
	body, media, err := readBody(r)
	if err != nil {
		return nil, err
	}
	var decoded object
	switch media {
	case runtime.ContentTypeJSON, runtime.ContentTypeYAML:
		decoded, err = decodePlain(body)
	case runtime.ContentTypeProtobuf:
		decoded, err = decodeProtobuf(body, q.kind)
	default:
		return nil, errMediaType(media)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return decoded, matchPath(decoded, q)
}

// decodePlain reads JSON, or YAML of which it is a part.
func decodePlain(body []byte) (object, error) {
	asJSON, err := yaml.YAMLToJSON(body)
	if err != nil {
		return nil, err
	}
	content := map[string]any{}
	if err := utiljson.Unmarshal(asJSON, &content); err != nil || content == nil {
		return nil, errors.New("the request does not have an object")
	}
	return &unstructured.Unstructured{Object: content}, nil
}

func decodeProtobuf(body []byte, k *kind) (object, error) {
	info, _ := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	typed, gvk, err := info.Serializer.Decode(body, &k.GroupVersionKind, nil)
	if err != nil {
		return nil, err
	}
	if *gvk != k.GroupVersionKind {
		return nil, fmt.Errorf("the object provided is a %s, expected %s", gvk, k.GroupVersionKind)
	}
	return toUnstructured(typed, k)
}

// matchPath fills in what the path says and refuses what contradicts it.
func matchPath(o object, q *query) error {
	if gvk := o.GroupVersionKind(); gvk != q.kind.GroupVersionKind {
		return apierrors.NewBadRequest(fmt.Sprintf("the API version in the data (%s, %s) does not match the expected API version (%s, %s)",
			o.GetAPIVersion(), o.GetKind(), q.kind.GroupVersion(), q.kind.Kind))
	}
	if q.kind.namespaced && o.GetNamespace() == "" {
		o.SetNamespace(q.namespace)
	}
	if o.GetNamespace() != q.namespace {
		return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	if q.name == "" {
		return nil
	}
	if o.GetName() == "" {
		o.SetName(q.name)
	}
	if o.GetName() != q.name {
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", o.GetName(), q.name))
	}
	return nil
}

// check decodes an object as its Go type, warns of or refuses unknown fields, and validates its metadata.
func (s *server) check(w http.ResponseWriter, q *query, o object) (object, error) {
	normal, unknown, err := s.cluster.schema.normalize(q.kind, o)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", q.kind.Kind, q.kind.Version, q.kind.Kind, err))
	}
	if unknown != nil && q.strict {
		return nil, apierrors.NewBadRequest(unknown.Error())
	}
	if unknown != nil && !q.silent {
		w.Header().Add("Warning", fmt.Sprintf("299 - %q", unknown.Error()))
	}
	errs := validation.ValidateObjectMetaAccessor(normal, q.kind.namespaced, q.kind.checkName, field.NewPath("metadata"))
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(q.kind.GroupKind(), normal.GetName(), errs)
	}
	return normal, nil
}

func decodeDeleteOptions(r *http.Request) (*metav1.DeleteOptions, error) {
	body, media, err := readBody(r)
	if err != nil {
		return nil, err
	}
	options := &metav1.DeleteOptions{}
	if len(body) == 0 {
		return options, nil
	}
	// clients name its kind in whatever version they are at
	switch media {
	case runtime.ContentTypeJSON, runtime.ContentTypeYAML:
		err = yaml.Unmarshal(body, options)
	case runtime.ContentTypeProtobuf:
		info, _ := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), media)
		var envelope runtime.Unknown
		if _, _, err = info.Serializer.Decode(body, nil, &envelope); err == nil {
			err = options.Unmarshal(envelope.Raw)
		}
	default:
		return nil, errMediaType(media)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return options, nil
}
