package kube

import (
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// evict deletes a pod if the disruption budgets allow it; 429 says to come again.
func (s *server) evict(r *http.Request, q *query) (any, error) {
	body, media, err := readBody(r)
	if err != nil {
		return nil, err
	}
	info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), media)
	if !ok {
		return nil, errMediaType(media)
	}
	gvk := policyv1.SchemeGroupVersion.WithKind("Eviction")
	decoded, _, err := info.Serializer.Decode(body, &gvk, nil)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	eviction, ok := decoded.(*policyv1.Eviction)
	if !ok {
		return nil, apierrors.NewBadRequest("the object provided is not an Eviction of policy/v1")
	}
	if options := eviction.DeleteOptions; options != nil {
		q.dryRun = q.dryRun || len(options.DryRun) > 0
	}
	err = s.transact(q, func(t *transaction) error {
		pod, err := t.find(q.kind, q.namespace, q.name)
		if err != nil {
			return err
		}
		if options := eviction.DeleteOptions; options != nil {
			if err := checkDelete(q, pod, options.Preconditions); err != nil {
				return err
			}
		}
		if err := s.cluster.checkBudgets(t, q.kind, pod); err != nil {
			return err
		}
		s.cluster.remove(t, q.kind, pod)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess, Code: http.StatusCreated}, nil
}

// checkBudgets says whether the budgets of a pod's namespace let it go. A pod that is not healthy costs nothing.
func (c *cluster) checkBudgets(t *transaction, pods *kind, pod object) error {
	if !isHealthy(pod) {
		return nil
	}
	for _, o := range t.list(c.schema.kind("PodDisruptionBudget"), pod.GetNamespace()) {
		var budget policyv1.PodDisruptionBudget
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &budget); err != nil {
			return apierrors.NewInternalError(err)
		}
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err != nil || !selector.Matches(labels.Set(pod.GetLabels())) {
			continue
		}
		healthy, expected := 0, 0
		for _, other := range t.list(pods, pod.GetNamespace()) {
			if selector.Matches(labels.Set(other.GetLabels())) {
				expected++
				if isHealthy(other) {
					healthy++
				}
			}
		}
		if wanted := wantedHealthy(&budget, max(expected, int(budget.Status.ExpectedPods))); healthy <= wanted {
			return errBudget(budget.Name, wanted, healthy)
		}
	}
	return nil
}

// wantedHealthy is how many pods a budget keeps; percentages are rounded up, as the disruption controller does.
func wantedHealthy(budget *policyv1.PodDisruptionBudget, expected int) int {
	if minimum := budget.Spec.MinAvailable; minimum != nil {
		return scaled(minimum, expected)
	}
	if maximum := budget.Spec.MaxUnavailable; maximum != nil {
		return max(expected-scaled(maximum, expected), 0)
	}
	return 0
}

func scaled(value *intstr.IntOrString, of int) int {
	result, err := intstr.GetScaledValueFromIntOrPercent(value, of, true)
	if err != nil {
		return of
	}
	return result
}

func errBudget(name string, wanted, healthy int) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type:    policyv1.DisruptionBudgetCause,
		Message: fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently", name, wanted, healthy),
	})
	return err
}

func isHealthy(pod object) bool {
	var typed corev1.Pod
	if runtime.DefaultUnstructuredConverter.FromUnstructured(pod.Object, &typed) != nil || typed.DeletionTimestamp != nil {
		return false
	}
	for _, condition := range typed.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
