package addons

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	configFolder = "/etc/config" // where pods have the Secret
	configFile   = "cloud.conf"
	configCA     = "ca.crt"
)

// cloudConf is cloud-provider-openstack's configuration, in git's form.
func (c Cluster) cloudConf() string {
	var b strings.Builder
	section := func(name string) { fmt.Fprintf(&b, "[%s]\n", name) }
	set := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s=\"%s\"\n", name, strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value))
		}
	}
	section("Global")
	set("auth-url", c.Cloud.AuthURL)
	set("user-id", c.Cloud.UserID)
	set("password", c.Cloud.Password)
	set("tenant-id", c.Cloud.ProjectID)
	set("region", c.Cloud.Region)
	if len(c.Cloud.CA) > 0 {
		set("ca-file", configFolder+"/"+configCA)
	}
	section("LoadBalancer")
	set("subnet-id", c.Cloud.SubnetID)
	set("floating-network-id", c.Cloud.ExternalNetworkID)
	set("lb-provider", c.Cloud.LBProvider)
	set("lb-method", c.setting("octavia_lb_algorithm", defaultMethod(c.Cloud.LBProvider)))
	set("create-monitor", c.setting("octavia_lb_healthcheck", "true"))
	if c.Cloud.ExternalNetworkID == "" {
		set("internal-lb", "true")
	}
	return b.String()
}

// defaultMethod is how a provider of Octavia spreads connections: OVN's knows one way only.
func defaultMethod(provider string) string {
	if provider == "ovn" {
		return "SOURCE_IP_PORT"
	}
	return "ROUND_ROBIN"
}

// configMark changes with the configuration: pods read it once, when they start. It gives nothing of it away, for the
// password in it is long and random.
func (c Cluster) configMark() string {
	sum := sha256.Sum256(append([]byte(c.cloudConf()), c.Cloud.CA...))
	return hex.EncodeToString(sum[:8])
}
