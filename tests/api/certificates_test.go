package api

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// request is a certificate request of Kubernetes' administrator, with extensions.
func request(t *testing.T, key crypto.Signer, algorithm x509.SignatureAlgorithm, extensions ...pkix.Extension) string {
	t.Helper()
	der := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}, OrganizationalUnit: []string{"terraform"}},
		SignatureAlgorithm: algorithm, ExtraExtensions: extensions}, key))(t)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// certificate reads one in the form in which they are answered.
func certificate(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 || strings.HasSuffix(text, "\n") || !strings.HasPrefix(text, "-----BEGIN CERTIFICATE-----\n") {
		t.Fatalf("not one certificate without a newline at its end: %q", text)
	}
	return must(x509.ParseCertificate(block.Bytes))(t)
}

func TestCertificates(t *testing.T) {
	b := newBed(t)
	path := b.living(object{"name": "dev"})
	id := path[len("/v1/clusters/"):]
	links := []any{object{"href": b.url + "/v1/certificates/" + id, "rel": "self"}, object{"href": b.url + "/certificates/" + id, "rel": "bookmark"}}
	authorities := map[string]*x509.Certificate{}
	for _, tc := range []struct{ name, path, like string }{
		{"", "/v1/certificates/" + id, ""}, {"by name", "/v1/certificates/dev", ""}, {"unversioned", "/certificates/" + id + "/", ""}, {"kubernetes", "/v1/certificates/" + id + "?ca_cert_type=kubernetes", ""},
		{"any word", "/v1/certificates/" + id + "?ca_cert_type=x", ""}, {"no word", "/v1/certificates/" + id + "?ca_cert_type=", ""}, {"etcd", "/v1/certificates/" + id + "?ca_cert_type=etcd", "etcd"},
		{"front_proxy", "/v1/certificates/" + id + "?ca_cert_type=front_proxy", "front_proxy"}, {"front-proxy", "/v1/certificates/" + id + "?ca_cert_type=front-proxy", "front_proxy"},
	} {
		for _, version := range []string{"", "1.1", "latest"} {
			got := b.one.at(version).want(200, "GET", tc.path, nil).json()
			if d := cmp.Diff(object{"cluster_uuid": id, "links": links, "pem": got["pem"]}, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.name, d)
			}
			c := certificate(t, got["pem"].(string))
			if authorities[tc.like] == nil {
				authorities[tc.like] = c
			}
			if !c.Equal(authorities[tc.like]) {
				t.Errorf("%q is another authority", tc.name)
			}
			if !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero || c.KeyUsage&x509.KeyUsageCertSign == 0 || c.Subject.CommonName != "dev" {
				t.Errorf("%s: %v", tc.name, c.Subject)
			}
		}
	}
	if authorities[""].Equal(authorities["etcd"]) || authorities[""].Equal(authorities["front_proxy"]) || authorities["etcd"].Equal(authorities["front_proxy"]) {
		t.Error("two authorities are one")
	}
	small, big := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), must(rsa.GenerateKey(rand.Reader, 2048))(t)
	for _, tc := range []struct {
		name, authority string
		key             crypto.Signer
		algorithm       x509.SignatureAlgorithm
		body            object // but the request
		version         string
	}{
		{"by UUID", "", small, x509.ECDSAWithSHA256, object{"cluster_uuid": id}, ""}, {"by name", "", small, x509.ECDSAWithSHA256, object{"cluster_uuid": "dev"}, "latest"},
		{"as Terraform asks", "", big, x509.SHA512WithRSA, object{"cluster_uuid": id}, "1.1"}, {"with another certificate", "", big, x509.SHA256WithRSA, object{"cluster_uuid": id, "pem": "x"}, "latest"},
		{"of etcd", "etcd", small, x509.ECDSAWithSHA256, object{"cluster_uuid": id, "ca_cert_type": "etcd"}, "latest"}, {"of the front proxy", "front_proxy", small, x509.ECDSAWithSHA256, object{"cluster_uuid": id, "ca_cert_type": "front-proxy"}, "latest"},
		{"of Kubernetes by any word", "", small, x509.ECDSAWithSHA256, object{"cluster_uuid": id, "ca_cert_type": "kubernetes"}, "latest"}, {"of no type", "", small, x509.ECDSAWithSHA256, object{"cluster_uuid": id, "ca_cert_type": nil}, "latest"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			csr := request(t, tc.key, tc.algorithm)
			got := b.one.at(tc.version).want(201, "POST", "/v1/certificates", with(tc.body, object{"csr": csr})).json()
			want := object{"cluster_uuid": id, "links": links, "csr": csr, "pem": got["pem"]}
			if kind := tc.body["ca_cert_type"]; kind != nil {
				want["ca_cert_type"] = kind
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			c := certificate(t, got["pem"].(string))
			if err := c.CheckSignatureFrom(authorities[tc.authority]); err != nil {
				t.Error(err)
			}
			if c.Subject.String() != "CN=admin,OU=terraform,O=system:masters" || c.IsCA || len(c.AuthorityKeyId) > 0 || len(c.SubjectKeyId) == 0 || c.NotBefore.After(time.Now().Add(-23*time.Hour)) {
				t.Errorf("the certificate: %s, from %s", c.Subject, c.NotBefore)
			}
			if !tc.key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(c.PublicKey) {
				t.Error("it has another key")
			}
		})
	}
	b.signs(t, id, small)
	b.certificateRefusals(t, id, small)
	b.one.want(204, "DELETE", path, nil)
	b.one.await(id, "")
	b.one.want(404, "GET", "/v1/certificates/"+id, nil)
}

// signs: which extensions of a request come into a certificate, and which are refused.
func (b *bed) signs(t *testing.T, id string, key crypto.Signer) {
	t.Helper()
	usage, constraints, alternative, unknown := asn1.ObjectIdentifier{2, 5, 29, 15}, asn1.ObjectIdentifier{2, 5, 29, 19}, asn1.ObjectIdentifier{2, 5, 29, 17}, asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
	authority := must(asn1.Marshal(struct{ CA bool }{true}))(t)
	sign, certSign := must(asn1.Marshal(asn1.BitString{Bytes: []byte{0xA0}, BitLength: 3}))(t), must(asn1.Marshal(asn1.BitString{Bytes: []byte{0x84}, BitLength: 6}))(t)
	names := must(asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("node.example.org")}}))(t)
	for _, tc := range []struct {
		name      string
		extension pkix.Extension
		status    int
		kept      []byte // the value that comes into the certificate; nil: none
	}{
		{"a key usage", pkix.Extension{Id: usage, Critical: true, Value: sign}, 201, sign}, {"a name", pkix.Extension{Id: alternative, Value: names}, 201, names},
		{"a key usage of authorities that must be", pkix.Extension{Id: usage, Critical: true, Value: certSign}, 400, nil}, {"an authority that must be", pkix.Extension{Id: constraints, Critical: true, Value: authority}, 400, nil},
		{"an authority that may be", pkix.Extension{Id: constraints, Value: authority}, 201, []byte{0x30, 0}}, {"something unknown that must be", pkix.Extension{Id: unknown, Critical: true, Value: names}, 400, nil},
		{"something unknown that may be", pkix.Extension{Id: unknown, Value: names}, 201, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := b.one.want(tc.status, "POST", "/v1/certificates", object{"cluster_uuid": id, "csr": request(t, key, x509.ECDSAWithSHA256, tc.extension)})
			if tc.status != 201 {
				if !contains(a.detail(), "not allowed") {
					t.Errorf("refused with %q", a.detail())
				}
				return
			}
			var got []byte
			for _, x := range certificate(t, a.text("pem")).Extensions {
				if x.Id.Equal(tc.extension.Id) {
					got = x.Value
				}
			}
			if !bytes.Equal(got, tc.kept) {
				t.Errorf("the extension is %x, expected %x", got, tc.kept)
			}
		})
	}
}

func (b *bed) certificateRefusals(t *testing.T, id string, key crypto.Signer) {
	t.Helper()
	csr := request(t, key, x509.ECDSAWithSHA256)
	body := object{"cluster_uuid": id, "csr": csr}
	path := "/v1/certificates/" + id
	colleague, reader := b.person("colleague", "member", "demo"), b.person("reader", "reader", "demo")
	broken := strings.Replace(csr, "M", "N", 1)
	l := []refusal{
		{"a cluster that is not there", b.one, "GET", "/v1/certificates/nope", nil, 404, "Cluster nope could not be found"}, {"no such UUID", b.one, "GET", "/v1/certificates/" + uuid.NewString(), nil, 404, "could not be found"},
		{"another's", b.other, "GET", path, nil, 404, "could not be found"}, {"an admin elsewhere", b.admin, "GET", path, nil, 404, "could not be found"}, {"a query", b.one, "GET", path + "?x=1", nil, 400, `Unknown argument: "x"`},
		{"a colleague", colleague, "GET", path, nil, 403, "Policy doesn't allow certificate:get to be performed."}, {"a reader", reader, "GET", path, nil, 403, "certificate:get"},
		{"a colleague's request", colleague, "POST", "/v1/certificates", body, 403, "Policy doesn't allow certificate:create to be performed."}, {"a reader's request", reader, "POST", "/v1/certificates", body, 403, "certificate:create"},
		{"a reader's rotation", reader, "PATCH", path, nil, 403, "Policy doesn't allow certificate:rotate_ca to be performed."}, {"a reader's credential", reader, "PATCH", "/v1/credentials/" + id, nil, 403, "Policy doesn't allow credential:rotate to be performed."},
		{"an admin's rotation elsewhere", b.admin, "PATCH", path, nil, 404, "could not be found"}, {"an admin's credential elsewhere", b.admin, "PATCH", "/v1/credentials/" + id, nil, 404, "could not be found"},
		{"a rotation with a query", b.one, "PATCH", path + "?x=1", nil, 400, `Unknown argument: "x"`}, {"a credential with a query", b.one, "PATCH", "/v1/credentials/" + id + "?x=1", nil, 400, `Unknown argument: "x"`},
	}
	for _, x := range []struct {
		name string
		who  *client
		body any
		says string
	}{
		{"another's cluster", b.other, body, "could not be found"}, {"an admin's, elsewhere", b.admin, body, "could not be found"}, {"no such cluster", b.one, object{"cluster_uuid": "nope", "csr": csr}, "Cluster nope could not be found"},
		{"no cluster", b.one, object{"csr": csr}, "cluster_uuid. Value: 'None'. Mandatory field missing."}, {"no request", b.one, object{"cluster_uuid": id}, "csr. Value: 'None'. Mandatory field missing."},
		{"an empty request", b.one, object{"cluster_uuid": id, "csr": ""}, "csr"}, {"no certificate request", b.one, object{"cluster_uuid": id, "csr": "x"}, "PEM"}, {"half a request", b.one, object{"cluster_uuid": id, "csr": csr[:len(csr)/2]}, "PEM"},
		{"a broken request", b.one, object{"cluster_uuid": id, "csr": broken}, "request"}, {"the old name", b.one, object{"bay_uuid": id, "csr": csr}, "Unknown attribute for argument certificate: bay_uuid"},
		{"nothing", b.one, "", `Missing argument: "certificate"`}, {"a list", b.one, "[]", "object"}, {"a number for a type", b.one, with(body, object{"ca_cert_type": 1}), "Expected string"}, {"links", b.one, with(body, object{"links": []any{}}), "read only"},
	} {
		l = append(l, refusal{"to sign: " + x.name, x.who, "POST", "/v1/certificates", x.body, 400, x.says})
	}
	refuse(t, l)
	local := &client{t: b.t, url: b.url, token: b.cloud("admin", "demo").Token()} // of the project: may all
	local.want(200, "GET", path, nil)
	local.want(201, "POST", "/v1/certificates", body)
}

// TestCertificatesBeforeTheyAreMade: of a cluster that has only just been asked for there are none yet.
func TestCertificatesBeforeTheyAreMade(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), nil)
	csr := request(t, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), x509.ECDSAWithSHA256)
	refuse(t, []refusal{{"an authority", b.one, "GET", "/v1/certificates/" + id, nil, 409, "not made yet"}, {"a signature", b.one, "POST", "/v1/certificates", object{"cluster_uuid": id, "csr": csr}, 409, "not made yet"}})
}
