package api

import (
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

func TestUnpinned(t *testing.T) {
	for _, tc := range []struct {
		name  string
		specs map[string]string
		image map[string]string
		lacks []string
	}{
		{"an ordinary flavor", nil, nil, []string{"hw:cpu_policy=dedicated", "hw:mem_page_size=large", "hw:numa_nodes"}},
		{"all of it", map[string]string{"hw:cpu_policy": "dedicated", "hw:mem_page_size": "1GB", "hw:numa_nodes": "2"}, nil, nil},
		{"pinned means a NUMA node", map[string]string{"hw:cpu_policy": "dedicated"}, nil, []string{"hw:mem_page_size=large"}},
		{"pinned by resources", map[string]string{"resources:PCPU": "4", "hw:mem_page_size": "large"}, nil, nil},
		{"shared and in small pages", map[string]string{"hw:cpu_policy": "shared", "hw:mem_page_size": "small", "hw:numa_nodes": "1"}, nil, []string{"hw:cpu_policy=dedicated", "hw:mem_page_size=large"}},
		{"the image says it", nil, map[string]string{"hw_cpu_policy": "dedicated", "hw_mem_page_size": "large"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := unpinned(cloud.Flavor{Name: "f", ExtraSpecs: tc.specs}, cloud.ImageInfo{ID: "i", Properties: tc.image})
			if (got == "") != (len(tc.lacks) == 0) || !strings.Contains(got, strings.Join(tc.lacks, ", ")+".") && got != "" {
				t.Errorf("%q, want %v", got, tc.lacks)
			}
		})
	}
}
