package addons

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

//go:embed files
var assets embed.FS

// Names of what has a manifest of our own.
const (
	CoreDNS       = "coredns"      // what kubeadm's lacks
	CloudConfig   = "cloud-config" // what add-ons that act in the cloud log in with
	CloudProvider = "cloud-provider"
	CinderCSI     = "cinder-csi"
	ManilaCSI     = "manila-csi"
	MetricsServer = "metrics-server"
	KeystoneAuth  = "keystone-auth"
)

// Render gives the objects of an add-on with a manifest of our own.
func Render(c Cluster, name string) ([]*unstructured.Unstructured, error) {
	objects, err := own(c, name)
	if err != nil {
		return nil, fmt.Errorf("add-on %s: %w", name, err)
	}
	switch name {
	case CinderCSI:
		classes, err := c.volumeClasses()
		if err != nil {
			return nil, fmt.Errorf("add-on %s: %w", name, err)
		}
		objects = append(objects, classes...)
	case ManilaCSI:
		objects = append(objects, c.shareClasses()...)
	}
	return c.dress(name, objects), nil
}

func own(c Cluster, name string) ([]*unstructured.Unstructured, error) {
	versions, err := c.versions()
	if err != nil {
		return nil, err
	}
	t := template.New(name + ".yaml").Option("missingkey=error").Funcs(template.FuncMap{"quote": quote, "tag": c.setting})
	if t, err = t.ParseFS(assets, "files/"+name+".yaml"); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{"Name": c.Name, "CloudConf": c.cloudConf(), "CA": string(c.Cloud.CA), "ConfigMark": c.configMark(),
		"ConfigFolder": configFolder, "ConfigFile": configFile, "ConfigCA": configCA,
		"Provider": versions.provider, "Attacher": versions.attacher, "Provisioner": versions.provisioner, "Resizer": versions.resizer,
		"NFS": versions.nfs, "ManilaSecret": manilaSecret, "ManilaDriver": manilaDriver, "Login": c.Cloud,
		"Registrar": versions.registrar, "LiveProbe": versions.liveProbe, "Metrics": versions.metrics,
		"KeystoneRoles": c.KeystoneRoles})
	if err != nil {
		return nil, err
	}
	return readManifest(out.Bytes())
}

// quote makes a scalar of YAML of any text.
func quote(s string) (string, error) {
	b, err := json.Marshal(s)
	return string(b), err
}
