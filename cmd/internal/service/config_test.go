package service

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/internal/oslo"
)

func sources(t *testing.T, text string) oslo.Sources {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jeroboam.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var s oslo.Sources
	s.AddFile(path)
	return s
}

func TestAllErrorsAreToldAtOnce(t *testing.T) {
	_, _, err := Load(sources(t, `
[api]
port = 70000
enabled_ssl = true
ssl_cert_file = /etc/ssl/jeroboam.pem
[conductor]
max_parallel_operations = none
[certificates]
cert_manager_type = x509keypair
encryption_keys = short
[x509]
allowed_extensions = keyUsage, nonsense
[drivers]
enabled = vm, magic
[oslo_messaging_notifications]
driver = routing
[cluster_template]
kubernetes_default_network_driver = cilium
[addons]
enabled = dashboard
container_infra_url = containers.example.org
keystone_roles = reader:view, admin
`), "")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"70000", "[api] ssl_key_file", "max_parallel_operations", "[certificates] encryption_keys", "nonsense", `"magic"`, `"cilium"`, `"routing" is not one of`,
		`"dashboard" is not one of`, `"containers.example.org" is not https://`, `"admin" is not a role of Keystone and a ClusterRole`,
		"[keystone_auth] auth_url", "[keystone_auth] username"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell of %s:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Errorf("a secret is in the error: %v", err)
	}
}

func TestAFileThatCannotBeReadIsTheOnlyError(t *testing.T) {
	var s oslo.Sources
	s.AddFile("/nonexistent/jeroboam.conf")
	_, _, err := Load(s, "")
	if err == nil || strings.Contains(err.Error(), "keystone_auth") {
		t.Errorf("%v, expected only that the file is not there", err)
	}
}

// magnumConf is what an operator of Magnum has.
const magnumConf = `
[DEFAULT]
transport_url = rabbit://openstack:secret@controller
host = node7
debug = true
rpc_response_timeout = 120
log_config_append = /etc/magnum/logging.conf
[api]
host = 10.0.0.11
port = 9512
workers = 4
[database]
connection = mysql+pymysql://magnum:secret@controller/magnum
max_retries = -1
[keystone_authtoken]
www_authenticate_uri = http://controller:5000/v3
auth_url = http://controller:35357
auth_type = password
username = magnum
password = secret
user_domain_name = users
project_name = services
project_domain_name = projects
memcached_servers = controller:11211
[trust]
trustee_domain_name = magnum
[certificates]
cert_manager_type = barbican
[cluster]
nodes_affinity_policy = anti-affinity
temp_cache_dir = /tmp/magnum
[cluster_template]
kubernetes_allowed_network_drivers = calico
kubernetes_default_network_driver = calico
[quotas]
max_clusters_per_project = 7
[x509]
term_of_validity = 10
[cinder]
default_boot_volume_type = ssd
default_boot_volume_size = 20
[heat_client]
region_name = RegionOne
[oslo_messaging_rabbit]
rabbit_quorum_queue = true
rabbit_ha_queues = true
[oslo_messaging_notifications]
driver = messagingv2
driver = log
[oslo_middleware]
enable_proxy_headers_parsing = true
[typo]
x = 1
`

func TestMagnumsFileCarriesOver(t *testing.T) {
	c, warnings, err := Load(sources(t, magnumConf), "/etc/jeroboam")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name      string
		got, want any
	}{
		{"transport_url", c.Default.TransportURL, "rabbit://openstack:secret@controller"},
		{"host", c.Default.Host, "node7"},
		{"debug", c.Log.Debug, true},
		{"api host", c.API.Host, "10.0.0.11"},
		{"api port", c.API.Port, 9512},
		{"connection", c.Database.Connection, "mysql+pymysql://magnum:secret@controller/magnum"},
		{"own auth_url", c.Cloud.AuthURL, "http://controller:35357"},
		{"own user", c.Cloud.Username, "magnum"},
		{"own password", c.Cloud.Password, "secret"},
		{"own user domain", c.Cloud.UserDomainName, "users"},
		{"own project", c.Cloud.ProjectName, "services"},
		{"own project domain", c.Cloud.ProjectDomainName, "projects"},
		{"affinity", c.defaults().AffinityPolicy, "anti-affinity"},
		{"network driver", c.defaults().NetworkDriver, "calico"},
		{"quota", c.defaults().MaxClusters, 7},
		{"validity", c.X509.options().TermOfValidity, 240 * time.Hour},
		{"boot volume", c.defaults().BootVolumeSize, 20},
		{"quorum queues", c.NotifyQueues.Quorum, true},
		{"exchange", c.Default.ControlExchange, "magnum"},
		{"drivers of notifications", strings.Join(c.Notify.Drivers, " "), "messagingv2 log"},
		{"topics", strings.Join(c.Notify.Topics, " "), "notifications"},
		{"proxy headers", c.ProxyHeaders.Enabled, true},
		{"policy folder", c.Policy.Dir, "/etc/jeroboam"},
	} {
		if x.got != x.want {
			t.Errorf("%s is %v, expected %v", x.name, x.got, x.want)
		}
	}
	all := strings.Join(warnings, "\n")
	for _, want := range []string{"rpc_response_timeout", "log_config_append", "api.workers", "max_retries", "memcached_servers", "trust", "temp_cache_dir",
		"heat_client", "rabbit_ha_queues"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning tells of %s:\n%s", want, all)
		}
	}
	for _, w := range warnings {
		if strings.Contains(w, "unknown") && !strings.Contains(w, "typo") {
			t.Errorf("an option of Magnum is called unknown: %s", w)
		}
		if strings.Contains(w, "secret") {
			t.Errorf("a secret is in a warning: %s", w)
		}
	}
}

func TestOwnIdentity(t *testing.T) {
	const authtoken = "[keystone_authtoken]\nauth_url = http://a/v3\nusername = validator\npassword = one\nproject_name = p1\n"
	for _, x := range []struct{ name, text, url, user, project string }{
		{"all of it falls back", authtoken, "http://a/v3", "validator", "p1"},
		{"only the URL falls back", authtoken + "[keystone_auth]\nusername = own\npassword = two\n", "http://a/v3", "own", "service"},
		{"nothing falls back", authtoken + "[keystone_auth]\nauth_url = http://b/v3\nusername = own\nproject_name = p2\n", "http://b/v3", "own", "p2"},
		{"www_authenticate_uri is the last resort", "[keystone_authtoken]\nwww_authenticate_uri = http://c/v3\nusername = u\n", "http://c/v3", "u", "service"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, _, err := Load(sources(t, x.text), "")
			if err != nil {
				t.Fatal(err)
			}
			if c.Cloud.AuthURL != x.url || c.Cloud.Username != x.user || c.Cloud.ProjectName != x.project {
				t.Errorf("%s at %s in %s, expected %s at %s in %s", c.Cloud.Username, c.Cloud.AuthURL, c.Cloud.ProjectName, x.user, x.url, x.project)
			}
		})
	}
}

func TestTheSampleIsReadAsTheDefaults(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSample(&b); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := Load(sources(t, b.String()+"[keystone_auth]\nauth_url = http://a/v3\nusername = u\n"), "")
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %q", err, warnings)
	}
	if c.API.Port != 9511 || c.Template.NetworkDriver != "flannel" || len(c.X509.AllowedExtensions) != 5 {
		t.Errorf("defaults are not those of Magnum: %+v", c)
	}
}
