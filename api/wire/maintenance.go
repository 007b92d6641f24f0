package wire

import (
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
)

// Maintenance is when a cluster may be changed by itself, and when its workers rest.
type Maintenance struct {
	TimeZone    string       `json:"time_zone"`
	Windows     []ops.Window `json:"windows"`
	AutoUpgrade bool         `json:"auto_upgrade"`
	Hibernate   []ops.Weekly `json:"hibernate"`
	Resume      []ops.Weekly `json:"resume"`
	Open        bool         `json:"open"`        // something may begin now
	NextWindow  *string      `json:"next_window"` // null: there are none
	Hibernated  bool         `json:"hibernated"`
}

// NewMaintenance views what is stored.
func NewMaintenance(m ops.Maintenance, hibernated bool, now time.Time) Maintenance {
	v := Maintenance{TimeZone: m.TimeZone, Windows: []ops.Window{}, AutoUpgrade: m.AutoUpgrade, Hibernate: times(m.Hibernate), Resume: times(m.Resume),
		Open: m.Open(now), Hibernated: hibernated}
	if v.TimeZone == "" {
		v.TimeZone = "UTC"
	}
	for _, w := range m.Windows {
		w.Days = days(w.Days)
		v.Windows = append(v.Windows, w)
	}
	if at, ok := m.NextWindow(now); ok {
		text := Time(at)
		v.NextWindow = &text
	}
	return v
}

func times(l []ops.Weekly) []ops.Weekly {
	out := []ops.Weekly{}
	for _, w := range l {
		w.Days = days(w.Days)
		out = append(out, w)
	}
	return out
}

func days(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}
