package cloud

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

const image = "image"

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$`)

// Image is Glance for one actor.
type Image struct{ c *gophercloud.ServiceClient }

// ImageInfo is an image with its properties.
type ImageInfo struct {
	ID, Name, Status string
	MinDisk, MinRAM  int // GiB, MiB
	Checksum         string
	Properties       map[string]string
}

// RuntimesProperty of an image lists the container runtimes that it has, with commas in between: runc,kata,gvisor.
const RuntimesProperty = "container_runtimes"

// Runtimes are the container runtimes that an image says to have.
func (i ImageInfo) Runtimes() []string {
	var out []string
	for r := range strings.SplitSeq(i.Properties[RuntimesProperty], ",") {
		if r = strings.TrimSpace(r); r != "" {
			out = append(out, r)
		}
	}
	return out
}

// Images finds images by id or name: none, one, or several of the same name.
func (g *Image) Images(ctx context.Context, nameOrID string) ([]ImageInfo, error) {
	if uuidForm.MatchString(nameOrID) {
		x, err := images.Get(ctx, g.c, nameOrID).Extract()
		err = wrap(image, err, "reading image %s", nameOrID)
		if err == nil {
			return []ImageInfo{imageInfo(*x)}, nil
		}
		if !IsNotFound(err) {
			return nil, err
		}
	}
	pages, err := images.List(g.c, images.ListOpts{Name: nameOrID}).AllPages(ctx)
	if err != nil {
		return nil, wrap(image, err, "looking for image %q", nameOrID)
	}
	l, err := images.ExtractImages(pages)
	return mapSlice(l, imageInfo), wrap(image, err, "reading images")
}

func imageInfo(x images.Image) ImageInfo {
	i := ImageInfo{ID: x.ID, Name: x.Name, Status: string(x.Status), MinDisk: x.MinDiskGigabytes, MinRAM: x.MinRAMMegabytes, Checksum: x.Checksum, Properties: map[string]string{}}
	for k, v := range x.Properties {
		i.Properties[k] = fmt.Sprint(v)
	}
	return i
}
