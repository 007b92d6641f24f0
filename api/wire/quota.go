package wire

import "github.com/jeroboam-cloud/jeroboam/db"

// Quota is how many of a resource a project may have. The limit that holds without a row has neither id nor times.
type Quota struct {
	ID        *int64  `json:"id,omitempty"`
	HardLimit int     `json:"hard_limit"`
	ProjectID string  `json:"project_id"`
	Resource  string  `json:"resource"`
	CreatedAt *string `json:"created_at,omitempty"`
	UpdatedAt *string `json:"updated_at,omitempty"`
}

// NewQuota views a row.
func NewQuota(q *db.Quota) Quota {
	return Quota{ID: &q.ID, HardLimit: q.HardLimit, ProjectID: q.ProjectID, Resource: q.Resource, CreatedAt: timeOrNull(&q.CreatedAt), UpdatedAt: timeOrNull(q.UpdatedAt)}
}
