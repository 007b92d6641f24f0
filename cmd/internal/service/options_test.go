package service

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
)

func TestAuthoritiesOfHosts(t *testing.T) {
	ca, err := pki.NewCA("cloud", 2048, time.Hour, pki.Source{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	other := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	for _, tc := range []struct {
		name    string
		content []byte
		want    []byte
		refused bool
	}{
		{"one, with a remark", append([]byte("# the cloud's\n"), ca.Certificate...), ca.Certificate, false}, {"two", append(ca.Certificate, ca.Certificate...), append(ca.Certificate, ca.Certificate...), false},
		{"none", []byte("hello\n"), nil, true}, {"a key", append(ca.Certificate, ca.PrivateKey...), nil, true}, {"no certificate in it", other, nil, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(file, tc.content, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Drivers{CAFile: file}.authorities()
			if (err != nil) != tc.refused || !bytes.Equal(got, tc.want) {
				t.Errorf("%v\n%s", err, got)
			}
		})
	}
	if got, err := (Drivers{}).authorities(); err != nil || got != nil {
		t.Errorf("without a file: %v", err)
	}
	if _, err := (Drivers{CAFile: "/nowhere"}).authorities(); err == nil {
		t.Error("a file that is not there is well")
	}
}
