package keystone

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

// Config is group [keystone_authtoken].
type Config struct {
	WWWAuthenticateURI          string        `opt:"www_authenticate_uri" deprecated:"auth_uri" help:"Public URL of Keystone; clients without a valid token are sent there. Empty: auth_url"`
	AuthURL                     string        `opt:"auth_url" help:"URL of Keystone where the service logs in"`
	AuthType                    string        `opt:"auth_type" default:"password" choices:"password,v3password,v3applicationcredential" help:"How the service logs in"`
	Username                    string        `opt:"username" help:"User of the service. Its role must allow it to validate tokens: service or admin"`
	Password                    string        `opt:"password" secret:"true" help:"Password of the user"`
	UserDomainName              string        `opt:"user_domain_name" default:"Default" help:"Name of the user's domain"`
	UserDomainID                string        `opt:"user_domain_id" help:"Id of the user's domain, instead of its name"`
	ProjectName                 string        `opt:"project_name" default:"service" help:"Project of the service"`
	ProjectDomainName           string        `opt:"project_domain_name" default:"Default" help:"Name of the project's domain"`
	ProjectDomainID             string        `opt:"project_domain_id" help:"Id of the project's domain, instead of its name"`
	ApplicationCredentialID     string        `opt:"application_credential_id" help:"Application credential, for auth_type v3applicationcredential"`
	ApplicationCredentialSecret string        `opt:"application_credential_secret" secret:"true" help:"Its secret"`
	RegionName                  string        `opt:"region_name" help:"Region whose Keystone validates tokens; empty: any"`
	Interface                   string        `opt:"interface" default:"internal" choices:"internal,public,admin" help:"Which of Keystone's endpoints in its catalogue validates tokens. Where there is none it is auth_url"`
	CAFile                      string        `opt:"cafile" help:"CA certificates that Keystone is verified with; empty: the system's"`
	Insecure                    bool          `opt:"insecure" default:"false" help:"Do not verify Keystone's certificate. Not for production"`
	HTTPConnectTimeout          time.Duration `opt:"http_connect_timeout" default:"10" min:"1" unit:"s" help:"Seconds after which a request to Keystone is given up"`
	TokenCacheTime              time.Duration `opt:"token_cache_time" default:"300" unit:"s" help:"Seconds for which a validated token is not asked about again: so long a revoked one may go on working. 0 or less: ask every time"`
	ServiceTokenRoles           []string      `opt:"service_token_roles" default:"service" help:"Roles of the services whose requests may carry a user's expired token"`
	ServiceTokenRolesRequired   bool          `opt:"service_token_roles_required" default:"false" help:"Refuse requests whose service token has none of service_token_roles"`
}

// Options are the Middleware's, as the operator has set them.
func (c Config) Options() Options {
	uri := c.WWWAuthenticateURI
	if uri == "" {
		uri = c.AuthURL
	}
	return Options{WWWAuthenticateURI: uri, ServiceTokenRoles: c.ServiceTokenRoles, ServiceTokenRolesRequired: c.ServiceTokenRolesRequired}
}

func (c Config) check() error {
	var errs []error
	if u, err := url.Parse(c.AuthURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, fmt.Errorf("auth_url %q is no URL", c.AuthURL))
	}
	need := func(name, value string) {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s is not set", name))
		}
	}
	switch c.AuthType {
	case "", "password", "v3password":
		need("username", c.Username)
		need("password", c.Password)
	case "v3applicationcredential":
		need("application_credential_id", c.ApplicationCredentialID)
		need("application_credential_secret", c.ApplicationCredentialSecret)
	default:
		errs = append(errs, fmt.Errorf("auth_type %q is not supported", c.AuthType))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("keystone_authtoken: %w", err)
	}
	return nil
}

func (c Config) authOptions() *gophercloud.AuthOptions {
	if c.AuthType == "v3applicationcredential" {
		return &gophercloud.AuthOptions{ApplicationCredentialID: c.ApplicationCredentialID, ApplicationCredentialSecret: c.ApplicationCredentialSecret, AllowReauth: true}
	}
	o := &gophercloud.AuthOptions{Username: c.Username, Password: c.Password, DomainID: c.UserDomainID, AllowReauth: true,
		Scope: &gophercloud.AuthScope{ProjectName: c.ProjectName, DomainID: c.ProjectDomainID}}
	if o.DomainID == "" {
		o.DomainName = c.UserDomainName
	}
	if o.Scope.DomainID == "" {
		o.Scope.DomainName = c.ProjectDomainName
	}
	return o
}

func (c Config) transport() (*http.Transport, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: c.HTTPConnectTimeout}).DialContext,
		MaxIdleConnsPerHost: 32, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: c.HTTPConnectTimeout, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.Insecure}} //nolint:gosec // the operator's word
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("keystone_authtoken: reading cafile: %w", err)
	}
	t.TLSClientConfig.RootCAs = x509.NewCertPool()
	if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("keystone_authtoken: no certificate in cafile %s", c.CAFile)
	}
	return t, nil
}
