package ops

import (
	"fmt"
	"time"
)

const (
	// renewBefore is when certificates are renewed: kubeadm's are good for a year, so there are two months for attempts.
	renewBefore = 60 * 24 * time.Hour
	// warnBefore is when users are told that no attempt has succeeded.
	warnBefore = 30 * 24 * time.Hour
	// rotateBefore is when users are told that the authority itself ends: clients have to be given the next one.
	rotateBefore = 90 * 24 * time.Hour
)

// Certificates say how long what a cluster's API has shown is good for.
type Certificates struct {
	Begin, End                   time.Time // of the serving certificate that is the first to end
	AuthorityBegin, AuthorityEnd time.Time // of the authority that is
}

// CertificateEnds decides about a cluster whose API shows a certificate that ends then: whether all of the cluster's are to
// be renewed (ClusterRenewCertificates), and what stands in its health_status_reason; "" is nothing. Certificates that were
// made for less than a year are renewed when a sixth of their time is left.
func CertificateEnds(begin, end, now time.Time) (renew bool, warning string) {
	left, life := end.Sub(now), end.Sub(begin)
	renew = left < min(renewBefore, life/6)
	switch {
	case left <= 0:
		return renew, "the certificates of the control plane have run out on " + end.UTC().Format(time.DateOnly)
	case left < min(warnBefore, life/12):
		return renew, fmt.Sprintf("the certificates of the control plane run out on %s", end.UTC().Format(time.DateOnly))
	}
	return renew, ""
}

// AuthorityEnds is what users are told of a certificate authority that ends then; "" is nothing. For one of a short life
// the last twelfth counts.
func AuthorityEnds(begin, end, now time.Time) string {
	if end.IsZero() || end.Sub(now) > min(rotateBefore, end.Sub(begin)/12) {
		return ""
	}
	return fmt.Sprintf("the cluster's certificate authority ends on %s: replace it with openstack coe ca rotate", end.UTC().Format(time.DateOnly))
}
