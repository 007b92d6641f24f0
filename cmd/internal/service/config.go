// Package service puts API and conductor together: the configuration of a whole process, and the wiring from it to
// something that runs, by hand, once, top to bottom. The programs in cmd are thin mains over it.
package service

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/api"
	"github.com/jeroboam-cloud/jeroboam/api/keystone"
	"github.com/jeroboam-cloud/jeroboam/api/policy"
	"github.com/jeroboam-cloud/jeroboam/conductor"
	"github.com/jeroboam-cloud/jeroboam/conductor/notify"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/conductor/periodic"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
	"github.com/jeroboam-cloud/jeroboam/internal/oslo"
)

// Config is everything that an operator can set, one struct per group. API and conductor read the same file.
type Config struct {
	Default      Default
	Log          log.Config
	API          api.Config
	Conductor    conductor.Config
	Conducting   Conducting
	Binaries     Binaries
	Periodic     periodic.Config
	Kubernetes   periodic.KubernetesConfig
	Database     db.Config
	Rabbit       queue.Config
	Notify       notify.Config
	NotifyQueues notify.RabbitConfig
	Policy       policy.Config
	AuthToken    keystone.Config
	Cloud        cloud.Config
	Certificates certmanager.Config
	X509         X509
	Cluster      Cluster
	Template     Template
	Quotas       Quotas
	Cinder       Cinder
	ServiceUser  ServiceUser
	Drivers      Drivers
	Addons       Addons
	Ironic       Ironic
	ProxyHeaders ProxyHeaders
	CORS         api.CORS
}

// groups ties sections of the file to the structs, in the order of the sample file.
func (c *Config) groups() []oslo.Group {
	return []oslo.Group{
		{Name: "DEFAULT", Target: &c.Default},
		{Name: "DEFAULT", Target: &c.Log},
		{Name: "api", Target: &c.API, Help: "jeroboam-api."},
		{Name: "conductor", Target: &c.Conductor, Help: "jeroboam-conductor."},
		{Name: "conductor", Target: &c.Conducting},
		{Name: "conductor", Target: &c.Binaries},
		{Name: "kubernetes", Target: &c.Kubernetes},
		{Name: "periodic", Target: &c.Periodic, Help: "What conductors do about clusters by themselves."},
		{Name: "database", Target: &c.Database, Help: "MariaDB or PostgreSQL; SQLite for one machine. jeroboam-manage db upgrade makes the tables."},
		{Name: "oslo_messaging_rabbit", Target: &c.Rabbit, Help: "How RabbitMQ is reached; where it is stands in [DEFAULT] transport_url."},
		{Name: "oslo_messaging_rabbit", Target: &c.NotifyQueues},
		{Name: "oslo_messaging_notifications", Target: &c.Notify, Help: "Other services of the cloud, Ceilometer for one, are told of what happens to clusters: events magnum.cluster.create, .update and .delete in CADF."},
		{Name: "oslo_policy", Target: &c.Policy, Help: "Who may do what. policy.yaml.sample has the rules and their defaults."},
		{Name: "keystone_authtoken", Target: &c.AuthToken, Help: "How the API validates the tokens of callers."},
		{Name: "keystone_auth", Target: &c.Cloud, Help: "The service's own identity in Keystone: it makes the service users of clusters, keeps their secrets in Barbican and deletes what nobody else may. auth_url is taken from [keystone_authtoken] when it is not set; so are the credentials when neither username nor application_credential_id is."},
		{Name: "service_user", Target: &c.ServiceUser, Help: "The user in Keystone that acts for one cluster."},
		{Name: "certificates", Target: &c.Certificates, Help: "Where the secrets of clusters are kept."},
		{Name: "x509", Target: &c.X509, Help: "Certificates of clusters and their users."},
		{Name: "cluster", Target: &c.Cluster},
		{Name: "cluster_template", Target: &c.Template},
		{Name: "quotas", Target: &c.Quotas},
		{Name: "cinder", Target: &c.Cinder},
		{Name: "drivers", Target: &c.Drivers},
		{Name: "addons", Target: &c.Addons, Help: "What clusters get beside what kubeadm puts into them."},
		{Name: "ironic", Target: &c.Ironic, Help: "Bare metal: which of Ironic's nodes are ours. Nova and others have the rest."},
		{Name: "oslo_middleware", Target: &c.ProxyHeaders},
		{Name: "cors", Target: &c.CORS, Help: "Web pages of other origins that may use the API from a browser."},
	}
}

// Defaults is the configuration of an empty file, unchecked.
func Defaults() (*Config, error) {
	c := &Config{}
	if _, err := oslo.Load(oslo.Sources{}, c.groups(), ignored()); err != nil {
		return nil, fmt.Errorf("reading the defaults: %w", err)
	}
	return c, nil
}

// Load reads and checks the configuration. dir is the folder that relative names of policy files refer to. The error names
// everything that is wrong; the warnings are to be logged.
func Load(sources oslo.Sources, dir string) (*Config, []string, error) {
	c, warnings, err := LoadUnchecked(sources)
	if c == nil {
		return nil, warnings, err
	}
	c.Policy.Dir = dir
	var unread *fs.PathError
	if errors.As(err, &unread) { // what is missing may stand in the file that could not be read
		return nil, warnings, err
	}
	if err := errors.Join(err, c.check()); err != nil {
		return nil, warnings, err
	}
	return c, warnings, nil
}

// LoadUnchecked reads the configuration for programs that need a part of it only, such as jeroboam-manage the database.
// Values that are malformed are errors; what a service would miss is not looked for.
func LoadUnchecked(sources oslo.Sources) (*Config, []string, error) {
	c := &Config{}
	warnings, err := oslo.Load(sources, c.groups(), ignored())
	c.fallBack()
	return c, warnings, err
}

// WriteSample writes the file with every option at its default.
func WriteSample(w io.Writer) error {
	_, err := io.WriteString(w, "# Configuration of Jeroboam: jeroboam-api, jeroboam-conductor and jeroboam-manage read the same file.\n"+
		"# Every option is shown with its default. The names are Magnum's wherever the meaning is the same.\n"+
		"# Written by: jeroboam-manage sample-config\n\n")
	if err != nil {
		return fmt.Errorf("writing the sample: %w", err)
	}
	return oslo.WriteSample(w, new(Config).groups())
}

// fallBack fills [keystone_auth] from [keystone_authtoken], as Magnum does.
func (c *Config) fallBack() {
	a, t := &c.Cloud, &c.AuthToken
	if a.AuthURL == "" {
		a.AuthURL = t.AuthURL
	}
	if a.AuthURL == "" {
		a.AuthURL = t.WWWAuthenticateURI
	}
	if a.Username == "" && a.ApplicationCredentialID == "" {
		a.AuthType, a.Username, a.Password = t.AuthType, t.Username, t.Password
		a.UserDomainName, a.UserDomainID = t.UserDomainName, t.UserDomainID
		a.ProjectName, a.ProjectDomainName, a.ProjectDomainID = t.ProjectName, t.ProjectDomainName, t.ProjectDomainID
		a.ApplicationCredentialID, a.ApplicationCredentialSecret = t.ApplicationCredentialID, t.ApplicationCredentialSecret
	}
	if a.CAFile == "" {
		a.CAFile = t.CAFile
	}
	a.BaremetalScope = c.Ironic.SystemScope
}

// check looks for what no single option can tell.
func (c *Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Cloud.AuthURL == "" {
		bad("[keystone_auth] auth_url: it is needed, here or in [keystone_authtoken]")
	}
	if c.Cloud.Username == "" && c.Cloud.ApplicationCredentialID == "" {
		bad("[keystone_auth] username: it is needed, here or in [keystone_authtoken]")
	}
	if c.Ironic.SystemScope != "" && c.Cloud.AuthType == "v3applicationcredential" {
		bad("[ironic] system_scope: an application credential, as in [keystone_auth], is for one project only")
	}
	if err := c.Notify.Check(); err != nil {
		bad("%w", err)
	}
	if err := c.X509.options().Validate(); err != nil {
		bad("[x509]: %w", err)
	}
	if c.Certificates.Type == "x509keypair" {
		if _, err := pki.NewKeyring(c.Certificates.Keys); err != nil {
			bad("[certificates] encryption_keys: %w; jeroboam-manage genkey makes one", err)
		}
	}
	if _, err := c.Binaries.read(); err != nil {
		bad("%w", err)
	}
	if _, err := c.Drivers.authorities(); err != nil {
		bad("%w", err)
	}
	if err := c.Addons.check(); err != nil {
		bad("%w", err)
	}
	if c.API.EnabledSSL {
		for name, file := range map[string]string{"ssl_cert_file": c.API.SSLCertFile, "ssl_key_file": c.API.SSLKeyFile} {
			if file == "" {
				bad("[api] %s: it is needed with enabled_ssl", name)
			}
		}
	}
	if len(c.Drivers.Enabled) == 0 {
		bad("[drivers] enabled: at least one driver is needed, of %s", strings.Join(driverNames(), ", "))
	}
	for _, name := range c.Drivers.Enabled {
		if !slices.Contains(driverNames(), name) {
			bad("[drivers] enabled: %q is not one of %s", name, strings.Join(driverNames(), ", "))
		}
	}
	if t := c.Template; !slices.Contains(t.AllowedNetworkDrivers, "all") && !slices.Contains(t.AllowedNetworkDrivers, t.NetworkDriver) {
		bad("[cluster_template] kubernetes_default_network_driver: %q is not one of kubernetes_allowed_network_drivers", t.NetworkDriver)
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// host is this machine's name among the conductors.
func (c *Config) host() (string, error) {
	if c.Default.Host != "" {
		return c.Default.Host, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("[DEFAULT] host is not set and the machine does not know its name: %w", err)
	}
	return name, nil
}

func (x X509) validity() time.Duration { return time.Duration(x.TermOfValidity) * 24 * time.Hour }

func (x X509) options() pki.Options {
	return pki.Options{AllowCA: x.AllowCA, AllowedExtensions: x.AllowedExtensions, AllowedKeyUsage: x.AllowedKeyUsage, TermOfValidity: x.validity()}
}

// defaults are what requests fall back to.
func (c *Config) defaults() api.Defaults {
	return api.Defaults{
		NetworkDriver: c.Template.NetworkDriver, NetworkDrivers: c.Template.AllowedNetworkDrivers,
		MaxClusters:    c.Quotas.MaxClusters,
		BootVolumeSize: c.Cinder.BootVolumeSize, BootVolumeType: c.Cinder.BootVolumeType, DockerVolumeType: c.Cinder.DockerVolumeType,
		AffinityPolicy: c.Cluster.AffinityPolicy, ServiceDownTime: c.Default.ServiceDownTime,
		ServiceUserRoles: c.ServiceUser.Roles, EnabledDrivers: c.Drivers.Enabled, Addons: c.Addons.Enabled, ContainerInfraURL: c.Addons.ContainerInfraURL, Region: c.Cloud.RegionName, UpgradesInPlace: c.Binaries.URL != "",
		MaxBaremetal: c.Quotas.MaxBaremetal, Baremetal: c.Ironic.driver().Pool,
	}
}
