package kube

import (
	"testing"

	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

func TestCross(t *testing.T) {
	c := newCloud(t)
	f := c.pki.files
	pki := &userdata.PKI{
		CA:                    userdata.KeyPair{Certificate: f["ca.crt"], PrivateKey: f["ca.key"]},
		FrontProxyCA:          userdata.KeyPair{Certificate: f["front-proxy-ca.crt"], PrivateKey: f["front-proxy-ca.key"]},
		EtcdCA:                userdata.KeyPair{Certificate: f["etcd/ca.crt"], PrivateKey: f["etcd/ca.key"]},
		ServiceAccountPublic:  f["sa.pub"], ServiceAccountPrivate: f["sa.key"],
	}
	base := userdata.Host{Distro: "debian", SSHKeys: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample user@host"}, ClusterName: "demo", KubernetesVersion: "v1.37.2",
		ControlPlaneEndpoint: "10.0.0.5:6443", APIServerCertSANs: []string{"127.64.0.9"}, PodSubnet: "10.100.0.0/16", ServiceSubnet: "10.254.0.0/16",
		BootstrapToken: testToken, CACertHash: pin(c.pki.cert), NodeLabels: map[string]string{"magnum.openstack.org/role": "x"}, CloudProviderExternal: true,
		Proxy: userdata.Proxy{HTTP: "http://proxy.example:3128"}, NodeTaints: []userdata.Taint{{Key: "a", Value: "b", Effect: "NoSchedule"}},
	}
	for i, role := range []userdata.Role{userdata.RoleInit, userdata.RoleControlPlane, userdata.RoleWorker} {
		h := base
		h.Role = role
		h.Name = []string{"demo-master-0", "demo-master-1", "demo-node-0"}[i]
		h.ProviderID = "openstack:///id-" + h.Name
		if role != userdata.RoleWorker {
			h.PKI = pki
		}
		data, err := userdata.Render(h)
		check(t, err)
		host := c.host(h.Name, []string{"10.0.0.10", "10.0.0.11", "10.0.0.20"}[i], string(data))
		c.boot(host)
	}
	c.awaitState(StateReady, "demo-master-0", "demo-master-1", "demo-node-0")
}
