package addons

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	cinderDriver = "cinder.csi.openstack.org"
	defaultClass = "storageclass.kubernetes.io/is-default-class"
)

// volumeClasses gives a StorageClass for each volume type, so that claims find every back end of the cloud. One of them is
// the default: that of the label, or else of Cinder's own default, or else the only one.
func (c Cluster) volumeClasses() ([]*unstructured.Unstructured, error) {
	types := slices.Sorted(slices.Values(c.Storage.VolumeTypes))
	preferred := c.setting("csi_cinder_default_volume_type", c.Storage.DefaultVolumeType)
	if len(types) == 1 && preferred == "" {
		preferred = types[0]
	}
	expands, err := strconv.ParseBool(c.setting("csi_cinder_allow_volume_expansion", "true"))
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	taken := map[string]bool{}
	for _, t := range types {
		parameters := map[string]any{"type": t, "csi.storage.k8s.io/fstype": c.setting("csi_cinder_fstype", "ext4")}
		if zone := c.setting("csi_cinder_availability_zone", ""); zone != "" {
			parameters["availability"] = zone
		}
		out = append(out, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
			"metadata":    map[string]any{"name": className("cinder", t, taken), "annotations": map[string]any{defaultClass: strconv.FormatBool(t == preferred)}},
			"provisioner": cinderDriver, "parameters": parameters,
			"reclaimPolicy":        c.setting("csi_cinder_reclaim_policy", "Delete"),
			"volumeBindingMode":    c.setting("csi_cinder_volume_binding_mode", "WaitForFirstConsumer"),
			"allowVolumeExpansion": expands,
		}})
	}
	return out, nil
}

// className makes a name that Kubernetes takes of any name of a type. Where two come to the same, a hash of the later one
// tells them apart.
func className(driver, kind string, taken map[string]bool) string {
	var b strings.Builder
	for _, r := range strings.ToLower(kind) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
	}
	words := strings.FieldsFunc(b.String(), func(r rune) bool { return r == '-' || r == '.' })
	name := driver + "-" + strings.Join(words, "-")
	if len(name) > 200 || len(words) == 0 || taken[name] {
		sum := sha256.Sum256([]byte(kind))
		name = strings.TrimSuffix(name[:min(len(name), 200)], "-") + "-" + hex.EncodeToString(sum[:4])
	}
	taken[name] = true
	return name
}
