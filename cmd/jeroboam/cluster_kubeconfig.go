package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	authenticationv1 "k8s.io/api/authentication/v1"
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
		APIAddress string `json:"api_address"`
	}
	if err := c.api.Get(ctx, containerinfra.ClusterPath(args[0], ""), nil, &cluster); err != nil {
		return err
	}
	if cluster.APIAddress == "" {
		return fmt.Errorf("cluster %s has no address yet", args[0])
	}
	if err := takesTokens(ctx, c, cluster.UUID); err != nil {
		return fmt.Errorf("cluster %s: %w", args[0], err)
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

// takesTokens asks what the cluster's API servers would: whether the add-on is on says no label where it is so by default.
func takesTokens(ctx context.Context, c *clusterCall, cluster string) error {
	review := authenticationv1.TokenReview{TypeMeta: metav1.TypeMeta{APIVersion: authenticationv1.SchemeGroupVersion.String(), Kind: "TokenReview"},
		Spec: authenticationv1.TokenReviewSpec{Token: c.api.Service.Token()}}
	path := strings.TrimPrefix(ops.TokenReviewPath(url.PathEscape(cluster)), "/v1/")
	if err := c.api.Post(ctx, path, review, &review); err != nil {
		return err
	}
	if !review.Status.Authenticated {
		return fmt.Errorf("your token of Keystone is not taken: it is not of the cluster's project, or %s was not on when the cluster was created; `openstack coe cluster config` writes a kubeconfig with a key", ops.LabelKeystoneAuth)
	}
	return nil
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
