// Package credentials reads who calls a cloud, and which: an entry of clouds.yaml or the OS_* variables, as for every client
// of OpenStack.
package credentials

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"sigs.k8s.io/yaml"
)

// Credentials name an entry of clouds.yaml; without a cloud the OS_* variables count.
type Credentials struct{ Cloud, Region, CACert string }

// Register adds the options that choose them.
func (c *Credentials) Register(flags *flag.FlagSet) {
	flags.StringVar(&c.Cloud, "os-cloud", os.Getenv("OS_CLOUD"), "`NAME` of the account in clouds.yaml (OS_CLOUD)")
	flags.StringVar(&c.Region, "os-region-name", "", "`NAME` of the region, when it is not the account's own (OS_REGION_NAME)")
	flags.StringVar(&c.CACert, "os-cacert", os.Getenv("OS_CACERT"), "`FILE` with the CA certificates of the cloud (OS_CACERT)")
}

// Arguments are those that choose the same ones again.
func (c Credentials) Arguments() []string {
	var args []string
	for _, a := range []struct{ option, value string }{{"--os-cloud", c.Cloud}, {"--os-region-name", c.Region}, {"--os-cacert", c.CACert}} {
		if a.value != "" {
			args = append(args, a.option, a.value)
		}
	}
	return args
}

// Provider signs in. The options are those that find an endpoint in the catalogue.
func (c Credentials) Provider(ctx context.Context) (*gophercloud.ProviderClient, gophercloud.EndpointOpts, error) {
	var options []clouds.ParseOption
	if c.Cloud == "" {
		text, err := environment()
		if err != nil {
			return nil, gophercloud.EndpointOpts{}, err
		}
		options = append(options, clouds.WithCloudName("environment"), clouds.WithCloudsYAML(strings.NewReader(text)))
	} else {
		options = append(options, clouds.WithCloudName(c.Cloud), clouds.WithLocations(cloudsFiles()...))
	}
	if c.Region != "" {
		options = append(options, clouds.WithRegion(c.Region))
	}
	if c.CACert != "" {
		options = append(options, clouds.WithCACertPath(c.CACert))
	}
	auth, endpoint, tlsConfig, err := clouds.Parse(options...)
	if err != nil {
		return nil, endpoint, fmt.Errorf("reading clouds.yaml: %w", err)
	}
	auth.AllowReauth = true
	provider, err := config.NewProviderClient(ctx, auth, config.WithTLSConfig(tlsConfig))
	if err != nil {
		return nil, endpoint, fmt.Errorf("signing in at %s: %w", auth.IdentityEndpoint, err)
	}
	return provider, endpoint, nil
}

// Override is the address of a service that is not in the catalogue; "" when none is given. The key is its name in
// clouds.yaml, in capitals and with OS_ the variable.
func (c Credentials) Override(key string) string {
	if url := os.Getenv("OS_" + strings.ToUpper(key)); url != "" || c.Cloud == "" {
		return url
	}
	for _, path := range cloudsFiles() {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var file struct {
			Clouds map[string]map[string]any `json:"clouds"`
		}
		_ = yaml.Unmarshal(raw, &file) // what cannot be read is told by whoever reads the rest of it
		url, _ := file.Clouds[c.Cloud][key].(string)
		return url
	}
	return ""
}

// cloudsFiles are the places where clouds.yaml may be, the first one counts.
func cloudsFiles() []string {
	if path := os.Getenv("OS_CLIENT_CONFIG_FILE"); path != "" {
		return []string{path}
	}
	files := []string{"clouds.yaml"}
	if dir, err := os.UserConfigDir(); err == nil {
		files = append(files, filepath.Join(dir, "openstack", "clouds.yaml"))
	}
	return append(files, "/etc/openstack/clouds.yaml")
}

// environment writes the OS_* variables as an entry of clouds.yaml, so that both are read in one way.
func environment() (string, error) {
	auth, entry := map[string]any{}, map[string]any{}
	for _, name := range []string{"auth_url", "username", "user_id", "password", "token", "project_id", "project_name", "user_domain_id", "user_domain_name",
		"project_domain_id", "project_domain_name", "domain_id", "domain_name", "system_scope", "trust_id", "application_credential_id",
		"application_credential_name", "application_credential_secret"} {
		if v := os.Getenv("OS_" + strings.ToUpper(name)); v != "" {
			auth[name] = v
		}
	}
	for _, name := range []string{"auth_type", "region_name", "interface", "cacert", "cert", "key"} {
		if v := os.Getenv("OS_" + strings.ToUpper(name)); v != "" {
			entry[name] = v
		}
	}
	if auth["auth_url"] == nil {
		return "", errors.New("nothing says which cloud to ask: name one of clouds.yaml by --os-cloud or OS_CLOUD, or set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and the like")
	}
	entry["auth"] = auth
	raw, err := yaml.Marshal(map[string]any{"clouds": map[string]any{"environment": entry}})
	return string(raw), err
}
