package kube_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const csrPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests/"

// servingRequest is one of the kubelet of node w1, at 10.0.0.5.
func servingRequest(t *testing.T, change func(*x509.CertificateRequest, object)) string {
	t.Helper()
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "system:node:w1", Organization: []string{"system:nodes"}},
		DNSNames: []string{"w1"}, IPAddresses: []net.IP{net.ParseIP("10.0.0.5")}}
	spec := object{"signerName": "kubernetes.io/kubelet-serving", "username": "system:node:w1", "groups": []string{"system:nodes", "system:authenticated"},
		"usages": []string{"digital signature", "server auth"}}
	if change != nil {
		change(template, spec)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	if spec["request"] == nil {
		spec["request"] = base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	}
	status := object{}
	if is, found := spec["status"]; found {
		status = is.(object)
		delete(spec, "status")
	}
	text, err := json.Marshal(object{"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": object{"name": "csr-1"}, "spec": spec, "status": status})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestApproveServing(t *testing.T) {
	addresses := map[string][]string{"w1": {"10.0.0.5", "192.0.2.9"}, "w2": {"10.0.0.6"}}
	tests := []struct {
		name    string
		change  func(*x509.CertificateRequest, object)
		refused string // part of the reason; "": approved, unless the next says otherwise
		left    bool   // nothing to do
	}{
		{name: "as a kubelet asks"},
		{name: "with its floating IP", change: func(r *x509.CertificateRequest, _ object) {
			r.IPAddresses = append(r.IPAddresses, net.ParseIP("192.0.2.9"))
		}},
		{name: "with an RSA key's usage", change: func(_ *x509.CertificateRequest, spec object) {
			spec["usages"] = []string{"key encipherment", "digital signature", "server auth"}
		}},
		{name: "another node's address", change: func(r *x509.CertificateRequest, _ object) { r.IPAddresses = []net.IP{net.ParseIP("10.0.0.6")} }, refused: "10.0.0.6, which is not the node's"},
		{name: "its own address and the API's", change: func(r *x509.CertificateRequest, _ object) {
			r.IPAddresses = append(r.IPAddresses, net.ParseIP("10.254.0.1"))
		}, refused: "10.254.0.1"},
		{name: "no address", change: func(r *x509.CertificateRequest, _ object) { r.IPAddresses = nil }, refused: "no address"},
		{name: "another host", change: func(r *x509.CertificateRequest, _ object) { r.DNSNames = append(r.DNSNames, "kubernetes.default.svc") }, refused: "kubernetes.default.svc"},
		{name: "another node's name", change: func(r *x509.CertificateRequest, _ object) { r.Subject.CommonName = "system:node:w2" }, refused: "is for"},
		{name: "another group", change: func(r *x509.CertificateRequest, _ object) { r.Subject.Organization = []string{"system:masters"} }, refused: "is for"},
		{name: "an email address", change: func(r *x509.CertificateRequest, _ object) { r.EmailAddresses = []string{"a@example.org"} }, refused: "neither"},
		{name: "a URI", change: func(r *x509.CertificateRequest, _ object) { r.URIs = []*url.URL{{Scheme: "spiffe", Host: "x"}} }, refused: "neither"},
		{name: "a user's", change: func(_ *x509.CertificateRequest, spec object) { spec["username"] = "somebody" }, refused: "which is no node"},
		{name: "no member of the nodes", change: func(_ *x509.CertificateRequest, spec object) { spec["groups"] = []string{"system:authenticated"} }, refused: "which is no node"},
		{name: "an unknown node", change: func(r *x509.CertificateRequest, spec object) {
			spec["username"], r.Subject.CommonName, r.DNSNames = "system:node:w9", "system:node:w9", []string{"w9"}
		}, refused: "not a node of this cluster"},
		{name: "for clients", change: func(_ *x509.CertificateRequest, spec object) { spec["usages"] = []string{"server auth", "client auth"} }, refused: "client auth"},
		{name: "no PEM", change: func(_ *x509.CertificateRequest, spec object) { spec["request"] = "AAAA" }, refused: "not PEM"},
		{name: "approved already", change: func(_ *x509.CertificateRequest, spec object) {
			spec["status"] = object{"conditions": []object{{"type": "Approved", "status": "True"}}}
		}, left: true},
		{name: "denied by somebody", change: func(_ *x509.CertificateRequest, spec object) {
			spec["status"] = object{"conditions": []object{{"type": "Denied", "status": "True"}}}
		}, left: true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			api, c := start(t)
			api.put(csrPath+"csr-1", servingRequest(t, tc.change))
			s, err := c.ApproveServing(t.Context(), addresses)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if tc.refused == "" && !tc.left {
				want = []string{"PUT " + csrPath + "csr-1/approval"}
			}
			if diff := cmp.Diff(want, api.takeWrites()); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
			reasons := ""
			for _, why := range s.Refused {
				reasons += why
			}
			if !strings.Contains(reasons, tc.refused) || (tc.refused == "") != (reasons == "") || len(s.Issued) > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestServingIsIssued(t *testing.T) {
	api, c := start(t)
	api.put(csrPath+"csr-1", servingRequest(t, func(_ *x509.CertificateRequest, spec object) {
		spec["status"] = object{"conditions": []object{{"type": "Approved", "status": "True"}}, "certificate": "AAAA"}
	}))
	s, err := c.ApproveServing(t.Context(), map[string][]string{"w1": {"10.0.0.5"}})
	if err != nil || len(s.Issued["w1"]) == 0 || len(api.takeWrites()) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestForgetServing(t *testing.T) {
	api, c := start(t)
	api.put(csrPath+"csr-1", servingRequest(t, nil))
	if err := c.ForgetServing(t.Context(), "w2"); err != nil || len(api.takeWrites()) > 0 {
		t.Errorf("of another node: %v", err)
	}
	err := c.ForgetServing(t.Context(), "w1")
	if diff := cmp.Diff([]string{"DELETE " + csrPath + "csr-1"}, api.takeWrites()); diff != "" || err != nil {
		t.Errorf("%v, writes (-want +got):\n%s", err, diff)
	}
	if err := c.ForgetServing(t.Context(), "w1"); err != nil || len(api.takeWrites()) > 0 {
		t.Errorf("once more: %v", err)
	}
}
