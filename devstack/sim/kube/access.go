package kube

import (
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
)

const anonymous = "system:anonymous"

// user is who makes a request.
type user struct {
	name   string
	groups []string
}

// authenticate finds out who makes a request: the client certificate's subject, or nobody. Bearer tokens are known on
// the joining path only.
func (s *server) authenticate(r *http.Request) (user, error) {
	if r.Header.Get("Authorization") != "" {
		return user{}, apierrors.NewUnauthorized("Unauthorized")
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return user{name: anonymous, groups: []string{"system:unauthenticated"}}, nil
	}
	leaf := r.TLS.PeerCertificates[0]
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: certPool(s.clients), Intermediates: certPool(r.TLS.PeerCertificates[1:]), CurrentTime: s.cluster.clock.Now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return user{}, apierrors.NewUnauthorized("Unauthorized")
	}
	return user{name: leaf.Subject.CommonName, groups: append(slices.Clone(leaf.Subject.Organization), "system:authenticated")}, nil
}

// authorize lets everybody read who is known, and those write whom a binding makes cluster-admin. Finer roles are not
// simulated.
func (s *server) authorize(who user, q *query) error {
	if who.name == anonymous && !q.isClusterInfo() || q.writes() && !s.isAdmin(who) {
		resource := apierrorsResource(q)
		return apierrors.NewForbidden(resource, q.name, fmt.Errorf("user %q cannot %s resource %q in API group %q",
			who.name, q.verb, resource.Resource, resource.Group))
	}
	return nil
}

func (s *server) isAdmin(who user) bool {
	if slices.Contains(who.groups, mastersGroup) {
		return true
	}
	found := false
	_ = s.cluster.store.do(func(t *transaction) error {
		for _, o := range t.list(s.cluster.schema.kind("ClusterRoleBinding"), "") {
			var binding rbacv1.ClusterRoleBinding
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &binding); err != nil {
				continue
			}
			found = found || binding.RoleRef.Name == clusterAdmin && slices.ContainsFunc(binding.Subjects, func(s rbacv1.Subject) bool {
				return s.Kind == rbacv1.GroupKind && slices.Contains(who.groups, s.Name) || s.Kind == rbacv1.UserKind && s.Name == who.name
			})
		}
		return nil
	})
	return found
}

// checkToken decides about a bootstrap token by its Secret. The error does not say which part was wrong.
func (c *cluster) checkToken(token string) error {
	unauthorized := errors.New("the bootstrap token is unknown, expired, or not for this use")
	match := tokenFormat.FindStringSubmatch(token)
	if match == nil {
		return unauthorized
	}
	var secret corev1.Secret
	err := c.store.do(func(t *transaction) error {
		o, err := t.find(c.schema.kind("Secret"), systemNamespace, tokenPrefix+match[1])
		if err != nil {
			return err
		}
		return runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &secret)
	})
	if err != nil || secret.Type != tokenSecretType || string(secret.Data["token-id"]) != match[1] ||
		subtle.ConstantTimeCompare(secret.Data["token-secret"], []byte(match[2])) != 1 {
		return unauthorized
	}
	if string(secret.Data["usage-bootstrap-authentication"]) != "true" {
		return unauthorized
	}
	if until := string(secret.Data["expiration"]); until != "" {
		end, err := time.Parse(time.RFC3339, until)
		if err != nil || !c.clock.Now().Before(end) {
			return unauthorized
		}
	}
	return nil
}

// bearer returns the token of a request.
func bearer(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}
