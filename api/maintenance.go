package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
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
	f, err := newForm(c, "maintenance")
	if err != nil {
		return err
	}
	f.Ignore("open", "next_window", "hibernated")
	m := ops.Maintenance{TimeZone: or(f.String("time_zone", maxText), ""), AutoUpgrade: or(f.Bool("auto_upgrade"), false)}
	f.Decode("windows", "a list of objects with days, time and duration, which is minutes", &m.Windows)
	f.Decode("hibernate", "a list of objects with days and time", &m.Hibernate)
	f.Decode("resume", "a list of objects with days and time", &m.Resume)
	if err := f.done(); err != nil {
		return err
	}
	if err := m.Check(); err != nil {
		return badRequest("Invalid input for field/attribute maintenance. %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	raw, err := json.Marshal(m)
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
