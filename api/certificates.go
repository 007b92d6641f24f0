package api

import (
	"crypto/rand"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
)

// caOf maps ca_cert_type to the authority; every unknown word means the Kubernetes CA, as in Magnum.
func caOf(kind string) string {
	switch kind {
	case "etcd":
		return ops.SecretEtcdCA
	case "front_proxy", "front-proxy":
		return ops.SecretFrontProxyCA
	}
	return ops.SecretCA
}

// ca reads an authority of the cluster.
func (s *Server) ca(c echo.Context, v *db.ClusterView, kind string) (pki.Bundle, error) {
	ref := v.SecretRefs[caOf(kind)]
	if ref == "" {
		return pki.Bundle{}, fail(http.StatusConflict, "The certificates of cluster %s are not made yet.", v.Name)
	}
	b, err := s.Secrets.Get(c.Request().Context(), certmanager.Owner{ClusterUUID: v.UUID, ProjectID: v.ProjectID}, ref)
	if errors.Is(err, certmanager.ErrNotFound) {
		return b, fail(http.StatusConflict, "The certificates of cluster %s are gone: it is being deleted.", v.Name)
	}
	return b, err
}

// trusted are the certificates of an authority and of those that are trusted beside it while it is being replaced.
func (s *Server) trusted(c echo.Context, v *db.ClusterView, kind string) (string, error) {
	own, err := s.ca(c, v, kind)
	if err != nil {
		return "", err
	}
	all := trimPEM(own.Certificate)
	for _, name := range ops.Trusted(v.SecretRefs, caOf(kind))[1:] {
		b, err := s.Secrets.Get(c.Request().Context(), certmanager.Owner{ClusterUUID: v.UUID, ProjectID: v.ProjectID}, v.SecretRefs[name])
		if errors.Is(err, certmanager.ErrNotFound) {
			continue // it was dropped since
		}
		if err != nil {
			return "", err
		}
		all += "\n" + trimPEM(b.Certificate)
	}
	return all, nil
}

func (s *Server) getCertificate(c echo.Context) error {
	if err := onlyQuery(c, "ca_cert_type"); err != nil {
		return err
	}
	v, err := s.ownCluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := s.allow(c, "certificate:get", v.ProjectID, v.UserID); err != nil {
		return err
	}
	all, err := s.trusted(c, v, c.QueryParam("ca_cert_type"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.Certificate{ClusterUUID: v.UUID, Links: wire.Links(s.base(c), "certificates/"+v.UUID), PEM: all})
}

func (s *Server) signCertificate(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	f, err := newForm(c, "certificate")
	if err != nil {
		return err
	}
	f.Ignore("pem")
	f.ReadOnly("links")
	f.Required("cluster_uuid")
	f.Required("csr")
	ident, csr, kind := f.String("cluster_uuid", 255), f.String("csr", 64<<10), f.String("ca_cert_type", 255)
	if err := f.done(); err != nil {
		return err
	}
	v, err := s.ownCluster(c, *ident)
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound {
		return badRequest("%s", e.Detail) // an unknown cluster in a body is a bad request
	}
	if err != nil {
		return err
	}
	if err := s.allow(c, "certificate:create", v.ProjectID, v.UserID); err != nil {
		return err
	}
	which := ""
	if kind != nil {
		which = *kind
	}
	b, err := s.ca(c, v, which)
	if err != nil {
		return err
	}
	options := s.X509
	options.Source = pki.Source{Now: s.Now(), Rand: rand.Reader}
	signed, err := pki.SignCSR(b, []byte(*csr), options)
	var extension *pki.ExtensionError
	if errors.As(err, &extension) || errors.Is(err, pki.ErrBadCSR) {
		return badRequest("%s", err.Error())
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, wire.Certificate{ClusterUUID: v.UUID, Links: wire.Links(s.base(c), "certificates/"+v.UUID), CSR: *csr, PEM: trimPEM(signed), CACertType: kind})
}

// trimPEM: Magnum's certificates have no newline at the end.
func trimPEM(b []byte) string {
	for len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return string(b)
}
