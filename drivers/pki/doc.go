// Package pki makes and signs what a cluster's identities rest on: its certificate authorities, the service-account key
// pair, client and serving certificates, and certificates for the signing requests that users send. It also seals secrets
// for storage in the database (Keyring).
//
// It keeps no state and reads neither clock nor configuration: the time comes with every call. Keys are PEM in PKCS#8,
// certificates PEM, all ending in a newline unless said otherwise.
package pki

import (
	"crypto/rand"
	"errors"
	"io"
	"time"
)

// backdate is how long before its making a certificate becomes valid, for machines whose clocks are behind.
const backdate = 24 * time.Hour

// ErrNoTime means that a caller left the time out, which would make certificates that were never valid.
var ErrNoTime = errors.New("the current time is not given")

// Source is where certificates get their time and their serial numbers from.
type Source struct {
	Now time.Time
	// Rand is for serial numbers; nil means crypto/rand. Keys always come from crypto/rand.
	Rand io.Reader
}

func (s Source) reader() io.Reader {
	if s.Rand == nil {
		return rand.Reader
	}
	return s.Rand
}
