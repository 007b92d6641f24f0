package api

import (
	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// rotateCertificate queues the replacement of a cluster's certificate authorities. It waits for nothing that is under way:
// as with Magnum it is refused then. One that failed can be asked for again, and goes on where it stopped.
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
	_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) {
		switch sn.Cluster.Status {
		case ops.CreateComplete, ops.UpdateComplete, ops.UpdateFailed:
		default:
			return nil, badRequest("Updating a cluster when status is %q is not supported.", sn.Cluster.Status)
		}
		return s.requestWhole(c, sn, ops.ClusterRotateCA)
	})
	if err != nil {
		return err
	}
	return accepted(c, v.UUID)
}

// rotateCredential does so for what the cluster logs in to the cloud with.
func (s *Server) rotateCredential(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	v, err := s.ownCluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) {
		if err := ops.Allowed(ops.ClusterRotateCredential, sn.Cluster.Status); err != nil {
			return nil, err
		}
		if s.OwnCredentials {
			return nil, badRequest("Rotating the credential of a cluster is not supported here: the service acts with its own for all clusters.")
		}
		return s.requestWhole(c, sn, ops.ClusterRotateCredential)
	})
	if err != nil {
		return err
	}
	return accepted(c, v.UUID)
}

// requestWhole queues an operation that is about the cluster and none of its node groups.
func (s *Server) requestWhole(c echo.Context, sn *db.Snapshot, kind ops.Kind) ([]*db.Operation, error) {
	op, err := ops.New(s.NewUUID(), kind, sn.Cluster, nil, nil)
	if err != nil {
		return nil, err
	}
	s.sign(c, op)
	sn.Operations = append(sn.Operations, op)
	sn.Cluster.Status, sn.Cluster.StatusReason = kind.Progress(), nil
	return []*db.Operation{op}, nil
}
