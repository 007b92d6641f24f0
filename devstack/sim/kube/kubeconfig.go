package kube

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfig is what a client needs of one.
type kubeconfig struct {
	server string
	ca     []byte
	token  string
	*identity
}

// parseKubeconfig reads a kubeconfig as its client does: the current context, and the files that it names.
func parseKubeconfig(files fileSystem, name string) (*kubeconfig, error) {
	content, err := files.read(name)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.Load(content)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	current := config.Contexts[config.CurrentContext]
	if current == nil || config.Clusters[current.Cluster] == nil || config.AuthInfos[current.AuthInfo] == nil {
		return nil, fmt.Errorf("invalid kubeConfig file %s: missing context, cluster or user", name)
	}
	cluster, user := config.Clusters[current.Cluster], config.AuthInfos[current.AuthInfo]
	out := &kubeconfig{server: cluster.Server, ca: cluster.CertificateAuthorityData, token: user.Token, identity: &identity{}}
	if out.trusts, err = parseCertificates(cluster.CertificateAuthorityData, name); err != nil {
		return nil, err
	}
	cert := user.ClientCertificateData
	if user.ClientCertificate != "" {
		if cert, err = files.read(user.ClientCertificate); err != nil {
			return nil, err
		}
	}
	if len(cert) > 0 {
		leafs, err := parseCertificates(cert, name)
		if err != nil {
			return nil, err
		}
		out.leaf = leafs[0]
	}
	return out, nil
}

// readKubeconfig reads one that has a client certificate.
func readKubeconfig(files fileSystem, name string) (*identity, error) {
	config, err := parseKubeconfig(files, name)
	if err != nil {
		return nil, err
	}
	if config.leaf == nil {
		return nil, fmt.Errorf("%s has no client certificate", name)
	}
	return config.identity, nil
}

// kubeconfigFor names a file with certificate and key, or nothing.
func kubeconfigFor(server string, ca []byte, pemFile string) []byte {
	return encodeKubeconfig(server, ca, &clientcmdapi.AuthInfo{ClientCertificate: pemFile, ClientKey: pemFile})
}

func encodeKubeconfig(server string, ca []byte, user *clientcmdapi.AuthInfo) []byte {
	out, err := clientcmd.Write(clientcmdapi.Config{
		Clusters:  map[string]*clientcmdapi.Cluster{"kubernetes": {Server: server, CertificateAuthorityData: ca}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"user": user}, CurrentContext: "default",
		Contexts: map[string]*clientcmdapi.Context{"default": {Cluster: "kubernetes", AuthInfo: "user"}},
	})
	if err != nil {
		return nil // it is then found to be no kubeconfig
	}
	return out
}
