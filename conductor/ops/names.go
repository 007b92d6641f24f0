package ops

import (
	"io"
	"regexp"
	"strings"
)

const suffixLetters = "bcdfghjklmnpqrstvwxz2456789" // no vowels: no words

// Suffix is five random letters and digits that make a name unique.
func Suffix(random io.Reader) string {
	b := make([]byte, 5)
	if _, err := io.ReadFull(random, b); err != nil {
		return "00000" // the system's source does not fail; a name that meets another one is caught by the unique index
	}
	for i := range b {
		b[i] = suffixLetters[int(b[i])%len(suffixLetters)]
	}
	return string(b)
}

// NodeGroupLabel is on every node, so that users can schedule by node group.
const NodeGroupLabel = "jeroboam.cloud/nodegroup"

// What else labels of nodes tell. Those of bare metal are from the flavour and from where the machine stands.
const (
	ServerTypeLabel    = "jeroboam.cloud/server-type" // vm or bm
	ResourceClassLabel = "jeroboam.cloud/resource-class"
	RackLabel          = "jeroboam.cloud/rack"
	TraitLabelPrefix   = "trait.jeroboam.cloud/" // and the trait; the value is true
)

// MachineScheme begins the providerID of bare-metal nodes, which their kubelets are given: the cloud controller manager knows
// servers only, and takes a node without a providerID that it finds no server for out of the cluster when it is not ready.
const MachineScheme = "ironic:///"

var notInLabel = regexp.MustCompile(`[^A-Za-z0-9_.-]`)

// LabelValue turns a word into one that Kubernetes takes as the value of a label, or as its name.
func LabelValue(word string) string {
	const most = 63
	word = notInLabel.ReplaceAllString(word, "_")
	return strings.Trim(word[:min(len(word), most)], "-_.")
}

// Label turns a name into a DNS label (RFC 1123) of at most limit characters, which host names are made of.
func Label(name string, limit int) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	s := b.String()
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.Trim(s, "-")
}
