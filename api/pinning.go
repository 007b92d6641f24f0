package api

import (
	"fmt"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// unpinned tells what a flavor, with an image, does not promise of what the often quoted figure for the cost of a virtual
// machine was measured with; "" when it promises all of it. Nova takes each of them from the flavor or from the image.
func unpinned(f cloud.Flavor, image cloud.ImageInfo) string {
	if image.ID == "" {
		return "" // what is wrong with it is told already
	}
	value := func(spec string) string {
		if v := f.ExtraSpecs[spec]; v != "" {
			return v
		}
		return image.Properties[strings.ReplaceAll(spec, ":", "_")]
	}
	var lacks []string
	pinned := value("hw:cpu_policy") == "dedicated" || f.ExtraSpecs["resources:PCPU"] != ""
	if !pinned {
		lacks = append(lacks, "hw:cpu_policy=dedicated")
	}
	if size := value("hw:mem_page_size"); size == "" || size == "small" {
		lacks = append(lacks, "hw:mem_page_size=large")
	}
	if value("hw:numa_nodes") == "" && !pinned { // one that is pinned has a node
		lacks = append(lacks, "hw:numa_nodes")
	}
	if len(lacks) == 0 {
		return ""
	}
	return fmt.Sprintf("Flavor %s does not have %s. The often quoted overhead of about 4 %% over bare metal holds for virtual machines with pinned CPUs, large pages and a NUMA topology; "+
		"without them it can be several times that. `jeroboam bench overhead` measures it.", f.Name, strings.Join(lacks, ", "))
}
