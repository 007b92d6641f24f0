package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauthv1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/credentials"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
)

// printKubeconfig prints how kubectl reaches a cluster with tokens of Keystone.
func printKubeconfig(ctx context.Context, c *clusterCall, args []string) error {
	var cluster struct {
		UUID, Name string
		APIAddress string            `json:"api_address"`
		Labels     map[string]string `json:"labels"`
	}
	if err := c.api.Get(ctx, containerinfra.ClusterPath(args[0], ""), nil, &cluster); err != nil {
		return err
	}
	if cluster.APIAddress == "" {
		return fmt.Errorf("cluster %s has no address yet", args[0])
	}
	if on, ok := ops.ParseBool(cluster.Labels[ops.LabelKeystoneAuth]); ok && !on {
		return fmt.Errorf("cluster %s takes no tokens of Keystone: its label %s was false when it was created; `openstack coe cluster config` writes a kubeconfig with a key", args[0], ops.LabelKeystoneAuth)
	}
	var authority struct {
		PEM string `json:"pem"`
	}
	if err := c.api.Get(ctx, "certificates/"+url.PathEscape(cluster.UUID), nil, &authority); err != nil {
		return err
	}
	login := &clientcmdapi.ExecConfig{APIVersion: clientauthv1.SchemeGroupVersion.String(), Command: name, Args: append([]string{"credential"}, c.who.Arguments()...),
		InteractiveMode: clientcmdapi.NeverExecInteractiveMode, InstallHint: "jeroboam gets tokens of Keystone for kubectl; it has to be in the PATH"}
	text, err := clientcmd.Write(clientcmdapi.Config{CurrentContext: cluster.Name,
		Clusters:  map[string]*clientcmdapi.Cluster{cluster.Name: {Server: cluster.APIAddress, CertificateAuthorityData: []byte(authority.PEM)}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"keystone": {Exec: login}},
		Contexts:  map[string]*clientcmdapi.Context{cluster.Name: {Cluster: cluster.Name, AuthInfo: "keystone"}}})
	if err == nil {
		_, err = c.stdout.Write(text)
	}
	return err
}

// credentialFlags are those of `jeroboam credential`.
func credentialFlags(f *flag.FlagSet) func(context.Context, shell) error {
	who := credentials.Credentials{}
	who.Register(f)
	return func(ctx context.Context, s shell) error {
		provider, _, err := who.Provider(ctx)
		if err != nil {
			return err
		}
		status := &clientauthv1.ExecCredentialStatus{Token: provider.Token()}
		if result, ok := provider.GetAuthResult().(tokens.CreateResult); ok {
			token, err := result.ExtractToken()
			if err != nil {
				return fmt.Errorf("reading Keystone's answer: %w", err)
			}
			status.ExpirationTimestamp = &metav1.Time{Time: token.ExpiresAt}
		}
		if status.Token == "" {
			return errors.New("keystone gave no token")
		}
		return json.NewEncoder(s.stdout).Encode(clientauthv1.ExecCredential{
			TypeMeta: metav1.TypeMeta{APIVersion: clientauthv1.SchemeGroupVersion.String(), Kind: "ExecCredential"}, Status: status})
	}
}
