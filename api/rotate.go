package api

import (
	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
)

// rotateCertificate checks a request for new certificate authorities in full. There is no operation for it yet, and that
// is said: upstream answers the same for drivers that lack it.
func (s *Server) rotateCertificate(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	v, err := s.ownCluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := s.allow(c, "certificate:rotate_ca", v.ProjectID, v.UserID); err != nil {
		return err
	}
	switch v.Status {
	case ops.CreateComplete, ops.UpdateComplete:
	default:
		return badRequest("Updating a cluster when status is %q is not supported.", v.Status)
	}
	return badRequest("Rotating the certificate authorities of a cluster is not supported yet.")
}

// rotateCredential does so for the cluster's credential in the cloud.
func (s *Server) rotateCredential(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	v, err := s.ownCluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := ops.Allowed(ops.NodeGroupResize, v.Status); err != nil {
		return badRequest("Rotating the credential of a cluster when status is %q is not supported.", v.Status)
	}
	return badRequest("Rotating the credential of a cluster is not supported yet.")
}
