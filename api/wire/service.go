package wire

import (
	"time"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// Service is an item of mservices.
type Service struct {
	ID             int64   `json:"id"`
	Host           string  `json:"host"`
	Binary         string  `json:"binary"`
	State          string  `json:"state"`
	ReportCount    int     `json:"report_count"`
	Disabled       bool    `json:"disabled"`
	DisabledReason *string `json:"disabled_reason"`
	CreatedAt      string  `json:"created_at"`
	UpdatedAt      *string `json:"updated_at"`
}

// NewService views a row; a service that was not heard of for longer than down is down.
func NewService(s *db.Service, now time.Time, down time.Duration) Service {
	v := Service{ID: s.ID, Host: s.Host, Binary: s.Binary, State: "down", ReportCount: int(s.ReportCount), Disabled: s.Disabled,
		DisabledReason: s.DisabledReason, CreatedAt: Time(s.CreatedAt), UpdatedAt: timeOrNull(s.UpdatedAt)}
	if now.Sub(s.LastSeenUp) < down {
		v.State = "up"
	}
	return v
}

// Certificate is a CA certificate or a signed one.
type Certificate struct {
	ClusterUUID string  `json:"cluster_uuid"`
	Links       []Link  `json:"links"`
	CSR         string  `json:"csr,omitempty"`
	PEM         string  `json:"pem"`
	CACertType  *string `json:"ca_cert_type,omitempty"`
}
