package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// maintained finds a cluster whose maintenance is read or changed.
func (s *Server) maintained(c echo.Context, rule, adminRule string) (*db.ClusterView, error) {
	if err := onlyQuery(c); err != nil {
		return nil, err
	}
	v, err := s.cluster(c, c.Param("id"))
	if err != nil {
		return nil, err
	}
	return v, s.allowTarget(c, rule, adminRule, v.ProjectID, v.UserID)
}

func (s *Server) getMaintenance(c echo.Context) error {
	v, err := s.maintained(c, "cluster:get", "cluster:get_one_all_projects")
	if err != nil {
		return err
	}
	return s.writeMaintenance(c, v)
}

func (s *Server) writeMaintenance(c echo.Context, v *db.ClusterView) error {
	m, err := ops.ParseMaintenance(v.Maintenance)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.NewMaintenance(m, ops.Hibernated(v.NodeGroups), s.Now()))
}

// setMaintenance replaces all of it. What an answer has beside is taken back and means nothing.
func (s *Server) setMaintenance(c echo.Context) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	var m struct {
		ops.Maintenance
		Open       json.RawMessage `json:"open"`
		NextWindow json.RawMessage `json:"next_window"`
		Hibernated json.RawMessage `json:"hibernated"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil || d.More() {
		return badRequest("Invalid input for field/attribute maintenance. Value: '%s'. %v", shorten(body), err)
	}
	if err := m.Check(); err != nil {
		return badRequest("Invalid input for field/attribute maintenance. %s", err)
	}
	raw, err := json.Marshal(m.Maintenance)
	if err != nil {
		return fmt.Errorf("encoding the maintenance of a cluster: %w", err)
	}
	return s.storeMaintenance(c, raw, func(sn *db.Snapshot) *time.Time { now := sn.Now(); return &now })
}

func (s *Server) unsetMaintenance(c echo.Context) error {
	if err := s.storeMaintenance(c, nil, func(*db.Snapshot) *time.Time { return nil }); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// storeMaintenance stores it. A schedule is followed from the time on that it was given.
func (s *Server) storeMaintenance(c echo.Context, raw db.RawJSON, since func(*db.Snapshot) *time.Time) error {
	v, err := s.maintained(c, "cluster:update", "cluster:update_all_projects")
	if err != nil {
		return err
	}
	_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) {
		sn.Cluster.Maintenance, sn.Cluster.ScheduledAt = raw, since(sn)
		return nil, nil
	})
	if err != nil || raw == nil {
		return err
	}
	v.Maintenance = raw
	return s.writeMaintenance(c, v)
}

// rest hibernates a cluster or resumes it.
func (s *Server) rest(kind ops.Kind) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := onlyQuery(c); err != nil {
			return err
		}
		v, err := s.ownCluster(c, c.Param("id"))
		if err != nil {
			return err
		}
		if err := s.allow(c, "cluster:resize", v.ProjectID, v.UserID); err != nil {
			return err
		}
		_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) {
			op, err := ops.RequestRest(sn, s.NewUUID(), kind)
			if err != nil {
				return nil, err
			}
			s.sign(c, op)
			return []*db.Operation{op}, nil
		})
		if err != nil {
			return err
		}
		return accepted(c, v.UUID)
	}
}
