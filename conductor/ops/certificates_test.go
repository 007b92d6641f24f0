package ops

import (
	"testing"
	"time"
)

func TestCertificateEnds(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name       string
		left, life time.Duration
		renew      bool
		warning    string
	}{
		{"fresh", 364 * day, 365 * day, false, ""},
		{"two months", 60 * day, 365 * day, false, ""},
		{"less", 59 * day, 365 * day, true, ""},
		{"nobody renewed it", 29 * day, 365 * day, true, "the certificates of the control plane run out on 2026-12-24"},
		{"over", -day, 365 * day, true, "the certificates of the control plane have run out on 2026-11-24"},
		{"a short life", 10 * day, 30 * day, false, ""},
		{"the end of a short life", 4 * day, 30 * day, true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			end := now.Add(tc.left)
			renew, warning := CertificateEnds(end.Add(-tc.life), end, now)
			if renew != tc.renew || warning != tc.warning {
				t.Errorf("%v, %q, want %v, %q", renew, warning, tc.renew, tc.warning)
			}
		})
	}
}
