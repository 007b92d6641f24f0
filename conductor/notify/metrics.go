package notify

import "github.com/prometheus/client_golang/prometheus"

// Metrics of a relay. A nil *Metrics counts nothing.
type Metrics struct{ notifications *prometheus.CounterVec }

const (
	resultSent    = "sent"
	resultFailed  = "failed"
	resultDropped = "dropped"
)

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{notifications: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jeroboam_notifications_total",
		Help: "Notifications to other services, by what came of them: sent, failed (and tried again), dropped (after max_age)."}, []string{"result"})}
	r.MustRegister(m.notifications)
	for _, result := range []string{resultSent, resultFailed, resultDropped} {
		m.notifications.WithLabelValues(result)
	}
	return m
}

func (m *Metrics) count(result string, n int64) {
	if m != nil {
		m.notifications.WithLabelValues(result).Add(float64(n))
	}
}
