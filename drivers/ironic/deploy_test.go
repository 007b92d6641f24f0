package ironic

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

func TestDescription(t *testing.T) {
	c, h := drivers.Cluster{UUID: "c", ProjectID: "p"}, drivers.Host{Name: "h", ImageID: "i"}
	whole := []cloud.ImageInfo{{ID: "i"}}
	parts := []cloud.ImageInfo{{ID: "i", Properties: map[string]string{"kernel_id": "k", "ramdisk_id": "r"}}}
	have := func(more map[string]any) map[string]any {
		info := map[string]any{"image_source": "i", "display_name": "h", "project_id": "p", "jeroboam_cluster": "c"}
		for k, v := range more {
			info[k] = v
		}
		return info
	}
	change := func(key string, value any) cloud.Change {
		return cloud.Change{Path: "/instance_info/" + key, Value: value}
	}
	tests := []struct {
		name   string
		root   map[string]string
		images []cloud.ImageInfo
		have   map[string]any
		want   []cloud.Change
	}{
		{name: "first", images: whole, want: []cloud.Change{change("display_name", "h"), change("image_source", "i"), change("jeroboam_cluster", "c"), change("project_id", "p")}},
		{name: "nothing new", images: whole, have: have(nil)},
		{name: "root device", root: map[string]string{"wwn": "1"}, images: whole, have: have(nil), want: []cloud.Change{change("root_device", map[string]any{"wwn": "1"})}},
		{name: "kernel and ramdisk", images: parts, have: have(nil), want: []cloud.Change{change("kernel", "k"), change("ramdisk", "r")}},
		{name: "another kernel", images: parts, have: have(map[string]any{"kernel": "old", "ramdisk": "r"}), want: []cloud.Change{change("kernel", "k")}},
		{name: "no kernel any more", images: whole, have: have(map[string]any{"kernel": "k", "ramdisk": "r"}), want: []cloud.Change{change("kernel", nil), change("ramdisk", nil)}},
		{name: "others' entries", images: whole, have: have(map[string]any{"nova_host_id": "x"})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := h
			h.RootDevice = test.root
			if diff := cmp.Diff(test.want, description(c, h, test.images, test.have)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
