package conductor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// Metrics of a conductor. A nil *Metrics counts nothing.
type Metrics struct {
	hop        prometheus.Histogram
	slices     *prometheus.HistogramVec
	ended      *prometheus.CounterVec
	duplicates *prometheus.CounterVec
	ends       prometheus.Histogram
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		hop: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "jeroboam_claim_delay_seconds", Help: "Time from the request of an operation to its first claim.",
			Buckets: []float64{.005, .01, .02, .05, .1, .25, 1, 5, 30, 120}}),
		slices: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "jeroboam_slice_seconds", Help: "Time that one slice of an operation took.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 15, 60}}, []string{"kind"}),
		ended:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jeroboam_operations_total", Help: "Operations that ended, by kind, status and class of fault."}, []string{"kind", "status", "fault"}),
		duplicates: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jeroboam_duplicates_total", Help: "Cloud objects that were found twice after a lost answer, by kind. The younger one was deleted."}, []string{"kind"}),
	}
	const day = 24 * 60 * 60
	m.ends = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "jeroboam_certificate_left_seconds",
		Help:    "Time that the serving certificate of a cluster's API is still good for, seen once per look at a cluster: more than none below a bucket's bound means that such clusters are there.",
		Buckets: []float64{0, day, 3 * day, 7 * day, 14 * day, 30 * day, 90 * day, 365 * day}})
	r.MustRegister(m.hop, m.slices, m.ended, m.duplicates, m.ends)
	return m
}

func (m *Metrics) claimed(op *db.Operation) {
	if m != nil && op.Epoch == 1 {
		m.hop.Observe(time.Since(op.CreatedAt).Seconds())
	}
}

func (m *Metrics) slice(op *db.Operation, d time.Duration, v cluster.Verdict) {
	if m == nil {
		return
	}
	m.slices.WithLabelValues(op.Kind).Observe(d.Seconds())
	if v.Ended {
		m.ended.WithLabelValues(op.Kind, op.Status, op.FaultClass).Inc()
	}
}

// CertificateLeft notes for how long the certificate of a cluster's API is still good. Clusters are not told apart: their
// number has no bound, and the events and the health of each say which it is.
func (m *Metrics) CertificateLeft(left time.Duration) {
	if m != nil {
		m.ends.Observe(left.Seconds())
	}
}

// Duplicate counts an object that was found twice; drivers are given it.
func (m *Metrics) Duplicate(kind, _ string) { m.duplicates.WithLabelValues(kind).Inc() }
