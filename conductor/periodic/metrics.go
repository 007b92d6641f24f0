package periodic

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// Metrics of a watcher. A nil *Metrics counts nothing.
type Metrics struct{ looks *prometheus.CounterVec }

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{looks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jeroboam_looks_total",
		Help: "Looks at clusters that nobody asked for, by pass (health, drift) and whether they could be made."}, []string{"pass", "result"})}
	r.MustRegister(m.looks)
	return m
}

func (m *Metrics) looked(p db.Pass, err error) {
	if m == nil {
		return
	}
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.looks.WithLabelValues(map[db.Pass]string{db.PassHealth: "health", db.PassDrift: "drift"}[p], result).Inc()
}
