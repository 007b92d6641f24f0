package ironic

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

func TestDescription(t *testing.T) {
	type info = map[string]any
	c, h := drivers.Cluster{UUID: "c", ProjectID: "p"}, drivers.Host{Name: "h", ImageID: "i"}
	whole, inParts := info{"image_source": "i"}, parts([]cloud.ImageInfo{{ID: "i", Properties: map[string]string{"kernel_id": "k", "ramdisk_id": "r"}}})
	have := func(l ...info) info {
		all := info{"display_name": "h", "project_id": "p", "jeroboam_cluster": "c"}
		for _, more := range l {
			maps.Copy(all, more)
		}
		return all
	}
	change := func(key string, value any) cloud.Change {
		return cloud.Change{Path: "/instance_info/" + key, Value: value}
	}
	tests := []struct {
		name         string
		root         map[string]string
		source, have info
		want         []cloud.Change
	}{
		{name: "first", source: whole, want: []cloud.Change{change("display_name", "h"), change("image_source", "i"), change("jeroboam_cluster", "c"), change("project_id", "p")}},
		{name: "nothing new", source: whole, have: have(whole)},
		{name: "others' entries", source: whole, have: have(whole, info{"nova_host_id": "x"})},
		{name: "another image", source: whole, have: have(info{"image_source": "old"}), want: []cloud.Change{change("image_source", "i")}},
		{name: "root device", root: map[string]string{"wwn": "1"}, source: whole, have: have(whole), want: []cloud.Change{change("root_device", info{"wwn": "1"})}},
		{name: "kernel and ramdisk", source: inParts, have: have(), want: []cloud.Change{change("kernel", "k"), change("ramdisk", "r")}},
		{name: "another kernel", source: inParts, have: have(info{"kernel": "old", "ramdisk": "r"}), want: []cloud.Change{change("kernel", "k")}},
		{name: "instead of an image", source: inParts, have: have(whole), want: []cloud.Change{change("image_source", nil), change("kernel", "k"), change("ramdisk", "r")}},
		{name: "an image without them", source: parts([]cloud.ImageInfo{{ID: "i"}}), have: have(inParts), want: []cloud.Change{change("kernel", nil), change("ramdisk", nil)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := h
			h.RootDevice = test.root
			if diff := cmp.Diff(test.want, description(c, h, test.source, test.have)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
