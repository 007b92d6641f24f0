package api

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

// labels reads the labels that mean something to us. Others are stored and returned; wrong values of those that we know are
// refused with their names, before anything is made of them.
type labels struct {
	m   db.Strings
	err error
}

func (l *labels) fail(name, reason string) {
	l.err = errors.Join(l.err, about("labels."+name, badRequest("Label %s has value %q: %s.", name, l.m[name], reason)))
}

func (l *labels) text(name, fallback string) string {
	if v := strings.TrimSpace(l.m[name]); v != "" {
		return v
	}
	return fallback
}

func (l *labels) flag(name string, fallback bool) bool {
	v := l.text(name, "")
	if v == "" {
		return fallback
	}
	b, ok := ops.ParseBool(v)
	if !ok {
		l.fail(name, "true or false is expected")
	}
	return b
}

func (l *labels) number(name string, fallback, least int) int {
	v := l.text(name, "")
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least {
		l.fail(name, "a whole number of at least "+strconv.Itoa(least)+" is expected")
	}
	return n
}

// cidr is a network of IPv4 whose prefix has least to most bits.
func (l *labels) cidr(name, fallback string, least, most int) string {
	v := l.text(name, fallback)
	p, err := netip.ParsePrefix(v)
	switch {
	case err != nil || p.Masked() != p || !p.Addr().Is4():
		l.fail(name, "a network of IPv4 such as 10.0.0.0/24 is expected")
	case p.Bits() < least || p.Bits() > most:
		l.fail(name, fmt.Sprintf("a network from /%d to /%d is expected", least, most))
	}
	return v
}

func (l *labels) list(name string) []string {
	var out []string
	for _, v := range strings.Split(l.m[name], ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

// every is a list of which each value has to be valid.
func (l *labels) every(name, expected string, valid func(string) bool) []string {
	out := l.list(name)
	if slices.ContainsFunc(out, func(v string) bool { return !valid(v) }) {
		l.fail(name, "a comma list of "+expected+" is expected")
	}
	return out
}

func (l *labels) cidrs(name string) []string {
	return l.every(name, "networks of IPv4 such as 10.0.0.0/8", func(v string) bool {
		p, err := netip.ParsePrefix(v)
		return err == nil && p.Addr().Is4()
	})
}

// hosts are names or addresses.
func (l *labels) hosts(name string) []string {
	return l.every(name, "host names or addresses", userdata.ValidHost)
}

// sans are what a certificate may be for: names, also of all hosts of a domain, and addresses.
func (l *labels) sans(name string) []string {
	return l.every(name, "host names, such as *.example.org, or addresses", userdata.ValidSAN)
}

// registry is what the names of images begin with, without a slash at the end; "" for none.
func (l *labels) registry(name string) string {
	v := strings.TrimSuffix(l.text(name, ""), "/")
	if v != "" && !userdata.ValidImageRepository(v) {
		l.fail(name, "the beginning of images' names, such as registry.example.org/k8s, is expected")
	}
	return v
}

var dnsName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

func (l *labels) domain(name, fallback string) string {
	v := l.text(name, fallback)
	if !dnsName.MatchString(v) || len(v) > 253 {
		l.fail(name, "a domain name is expected")
	}
	return v
}

func (l *labels) choice(name, fallback string, words ...string) string {
	v := l.text(name, fallback)
	for _, w := range words {
		if v == w {
			return v
		}
	}
	l.fail(name, "one of "+strings.Join(words, ", ")+" is expected")
	return v
}

var versionForm = regexp.MustCompile(`^v1\.[0-9]{1,3}\.[0-9]{1,3}(-[0-9A-Za-z.-]+)?$`)

// version is the Kubernetes version: the image's binaries decide it, and a kube_tag that contradicts them is refused.
func (l *labels) version(image string) string {
	tag := l.text("kube_tag", "")
	if tag != "" && !strings.HasPrefix(tag, "v") {
		tag = "v" + tag
	}
	if image != "" && !strings.HasPrefix(image, "v") {
		image = "v" + image
	}
	v := tag
	switch {
	case tag == "" && image == "":
		l.fail("kube_tag", "the Kubernetes version is needed, here or as property kube_version of the image")
		return ""
	case tag != "" && image != "" && tag != image:
		l.fail("kube_tag", "the image has Kubernetes "+image)
	case tag == "":
		v = image
	}
	switch {
	case !versionForm.MatchString(v):
		l.fail("kube_tag", "a version such as v1.37.2 is expected")
	case semver.Compare(semver.MajorMinor(v), userdata.FirstVersion()) < 0:
		l.fail("kube_tag", "Kubernetes "+v+" is too old, the first is "+userdata.FirstVersion())
	}
	return v
}
