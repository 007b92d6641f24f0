package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/certificates"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clustertemplates"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

const (
	clusterName = "demo"
	masters     = 3
	workers     = 2
)

// person is a user of the API, with the API found in Keystone's catalogue.
type person struct{ infra *gophercloud.ServiceClient }

// login authenticates with name and password in the domain Default.
func login(ctx context.Context, authURL, user, password, project string) (*person, error) {
	p, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{IdentityEndpoint: authURL, Username: user, Password: password, DomainName: "Default",
		AllowReauth: true, Scope: &gophercloud.AuthScope{ProjectName: project, DomainName: "Default"}})
	if err != nil {
		return nil, fmt.Errorf("authenticating user %s: %w", user, err)
	}
	c, err := openstack.NewContainerInfraV1(p, gophercloud.EndpointOpts{})
	if err != nil {
		return nil, fmt.Errorf("finding container-infra in the catalogue: %w", err)
	}
	c.Microversion = "1.14"
	return &person{c}, nil
}

// createCluster makes the template and the cluster, and gives the cluster's id.
func (p *person) createCluster(ctx context.Context) (string, error) {
	yes, m, w := true, masters, workers
	t, err := clustertemplates.Create(ctx, p.infra, clustertemplates.CreateOpts{Name: "k8s", COE: "kubernetes", ImageID: "ubuntu-24.04-kube-v1.37.2",
		ExternalNetworkID: "public", FlavorID: "m1.medium", MasterFlavorID: "m1.medium", MasterLBEnabled: &yes, FloatingIPEnabled: &yes,
		DNSNameServer: "8.8.8.8", NetworkDriver: "calico"}).Extract()
	if err != nil {
		return "", fmt.Errorf("creating the cluster template: %w", err)
	}
	id, err := clusters.Create(ctx, p.infra, clusters.CreateOpts{Name: clusterName, ClusterTemplateID: t.UUID, MasterCount: &m, NodeCount: &w}).Extract()
	if err != nil {
		return "", fmt.Errorf("creating the cluster: %w", err)
	}
	return id, nil
}

func (p *person) deleteCluster(ctx context.Context, id string) error {
	if err := clusters.Delete(ctx, p.infra, id).ExtractErr(); err != nil {
		return fmt.Errorf("deleting the cluster: %w", err)
	}
	return nil
}

// clusterGone tells whether the API knows the cluster no more.
func (p *person) clusterGone(ctx context.Context, id string) (bool, error) {
	_, err := clusters.Get(ctx, p.infra, id).Extract()
	if gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		return true, nil
	}
	return false, err
}

// kubeconfig is what `openstack coe cluster config` makes: a key of one's own, signed through the certificates API.
func (p *person) kubeconfig(ctx context.Context, id string) ([]byte, error) {
	c, err := clusters.Get(ctx, p.infra, id).Extract()
	if err != nil {
		return nil, fmt.Errorf("reading the cluster: %w", err)
	}
	ca, err := certificates.Get(ctx, p.infra, id).Extract()
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's CA: %w", err)
	}
	key, request, err := signingRequest()
	if err != nil {
		return nil, err
	}
	signed, err := certificates.Create(ctx, p.infra, certificates.CreateOpts{ClusterUUID: id, CSR: string(request)}).Extract()
	if err != nil {
		return nil, fmt.Errorf("having a certificate signed: %w", err)
	}
	return kube.Kubeconfig(c.Name, c.APIAddress, []byte(ca.PEM+"\n"), []byte(signed.PEM+"\n"), key)
}

func signingRequest() (key, request []byte, err error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	subject := pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, private)
	if err != nil {
		return nil, nil, fmt.Errorf("making a signing request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), nil
}
