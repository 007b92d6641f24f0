package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/certificate"
)

// tlsFiles say who this is, and who may call: whoever can may delete nodes.
type tlsFiles struct{ cert, key, clientCA string }

func (f *tlsFiles) register(flags *flag.FlagSet) {
	flags.StringVar(&f.cert, "tls-cert", "", "`FILE` with the certificate for the address that cluster-autoscaler asks; a renewed one is used without a restart")
	flags.StringVar(&f.key, "tls-key", "", "`FILE` with the certificate's key")
	flags.StringVar(&f.clientCA, "client-ca", "", "`FILE` with the CA certificates of those who may call")
}

func (f *tlsFiles) config() (*tls.Config, error) {
	if f.cert == "" || f.key == "" || f.clientCA == "" {
		return nil, errors.New("--tls-cert, --tls-key and --client-ca are needed: whoever can call may delete nodes")
	}
	pair := &certificate.Pair{CertFile: f.cert, KeyFile: f.key}
	if _, err := pair.Load(nil); err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	raw, err := os.ReadFile(f.clientCA)
	if err != nil {
		return nil, fmt.Errorf("--client-ca: %w", err)
	}
	callers := x509.NewCertPool()
	if !callers.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("--client-ca: %s has no certificate", f.clientCA)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.Load, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: callers}, nil
}
