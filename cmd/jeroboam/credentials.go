package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"sigs.k8s.io/yaml"
)

// credentials say who calls the API, and where it is: an entry of clouds.yaml or the OS_* variables, as for every client
// of OpenStack.
type credentials struct{ cloud, region, cacert string }

// overrideKey is the name in clouds.yaml, in capitals and with OS_ the variable, of an API that is not in the catalogue.
const overrideKey = "container_infra_endpoint_override"

// client signs in and gives the client of the container-infra API.
func (c credentials) client(ctx context.Context) (*gophercloud.ServiceClient, error) {
	auth, endpoint, tlsConfig, override, err := c.read()
	if err != nil {
		return nil, err
	}
	auth.AllowReauth = true
	provider, err := config.NewProviderClient(ctx, auth, config.WithTLSConfig(tlsConfig))
	if err != nil {
		return nil, fmt.Errorf("signing in at %s: %w", auth.IdentityEndpoint, err)
	}
	if override != "" {
		return &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: strings.TrimSuffix(override, "/") + "/", Type: "container-infra"}, nil
	}
	s, err := openstack.NewContainerInfraV1(provider, endpoint)
	if err != nil {
		return nil, fmt.Errorf("looking for container-infra in the catalogue: %w", err)
	}
	return s, nil
}

func (c credentials) read() (gophercloud.AuthOptions, gophercloud.EndpointOpts, *tls.Config, string, error) {
	override := os.Getenv("OS_" + strings.ToUpper(overrideKey))
	var options []clouds.ParseOption
	if c.cloud == "" {
		text, err := environment()
		if err != nil {
			return gophercloud.AuthOptions{}, gophercloud.EndpointOpts{}, nil, "", err
		}
		options = append(options, clouds.WithCloudName("environment"), clouds.WithCloudsYAML(strings.NewReader(text)))
	} else {
		options = append(options, clouds.WithCloudName(c.cloud), clouds.WithLocations(cloudsFiles()...))
		if override == "" {
			override = overrideOf(c.cloud)
		}
	}
	if c.region != "" {
		options = append(options, clouds.WithRegion(c.region))
	}
	if c.cacert != "" {
		options = append(options, clouds.WithCACertPath(c.cacert))
	}
	auth, endpoint, tlsConfig, err := clouds.Parse(options...)
	if err != nil {
		return auth, endpoint, nil, "", fmt.Errorf("reading clouds.yaml: %w", err)
	}
	return auth, endpoint, tlsConfig, override, nil
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

// overrideOf an entry of clouds.yaml; what cannot be read is told by whoever reads the rest of it.
func overrideOf(cloud string) string {
	for _, path := range cloudsFiles() {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var file struct {
			Clouds map[string]map[string]any `json:"clouds"`
		}
		_ = yaml.Unmarshal(raw, &file)
		url, _ := file.Clouds[cloud][overrideKey].(string)
		return url
	}
	return ""
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
