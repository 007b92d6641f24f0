package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// Catalogue tells which manifests of others the service has for a version of Kubernetes.
type Catalogue interface {
	Names(kubernetesVersion string) []string
}

var tagForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// addons resolves what a cluster is to have beside what kubeadm puts into it. What labels ask for and this service has no
// manifest of is refused when there is a catalogue; without any it is told as a warning, for labels that other services of
// this API take are in many a template. A cluster that is there keeps those that last, of the ones that it has,
// and gets no others; for a new one had is nil.
func (s *Server) addons(given db.Strings, spec *ops.ClusterSpec, had []string) ([]wire.Problem, error) {
	l := &labels{m: given}
	spec.Addons, spec.AddonSettings = nil, map[string]string{}
	var warnings []wire.Problem
	var found findings
	for _, a := range ops.Addons() {
		on, asked := s.addonOn(l, a, spec)
		if had != nil && a.Lasting {
			on = slices.Contains(had, a.Name)
		}
		if !on {
			continue
		}
		field, entry := "labels."+a.Label, spec.Entry(a.Name)
		switch a.Name {
		case ops.AddonNetwork:
			field = "cluster_template_id"
		case ops.AddonIngress:
			entry = l.text(a.Label, "")
		}
		lack := s.addonLacks(a, entry, spec)
		if a.Lasting && had != nil {
			lack = nil // what is there is there
		}
		switch {
		case lack != nil && a.Catalogued && asked && s.Catalogue != nil:
			_ = found.add(about(field, lack)) // never fatal
			continue
		case lack != nil && a.Name == ops.AddonNetwork:
			continue // its user brings it, as before there was a catalogue
		case lack != nil && (a.Catalogued || a.Name == ops.AddonKeystoneAuth):
			warnings = append(warnings, wire.Problem{Field: field, Severity: wire.SeverityWarning, Message: lack.Error()})
			continue
		case lack != nil:
			_ = found.add(about(field, lack))
			continue
		}
		spec.Addons = append(spec.Addons, a.Name)
		if a.Name == ops.AddonIngress {
			spec.AddonSettings[a.Label] = entry
		}
		for _, name := range a.Settings {
			if v := l.text(name, ""); v != "" {
				spec.AddonSettings[name] = l.setting(name)
			}
		}
	}
	return warnings, errors.Join(l.err, found.err)
}

// addonOn tells whether an add-on is wanted, and whether that is the cluster's own wish and not only the service's default.
func (s *Server) addonOn(l *labels, a ops.Addon, spec *ops.ClusterSpec) (on, asked bool) {
	switch a.Name {
	case ops.AddonNetwork:
		return spec.NetworkDriver != ops.NoNetwork && spec.PodNetworkMode != ops.PodsRouted, true
	case ops.AddonIngress:
		on = l.text(a.Label, "") != ""
		return on, on
	}
	asked = l.text(a.Label, "") != ""
	byDefault := slices.Contains(s.Defaults.Addons, a.Name) && !(a.Credential && s.OwnCredentials)
	return l.flag(a.Label, byDefault), asked
}

// addonLacks says what keeps this service from giving a cluster an add-on, by the name of its entry in the catalogue if it
// has one; nil is nothing.
func (s *Server) addonLacks(a ops.Addon, entry string, spec *ops.ClusterSpec) error {
	version := spec.KubernetesVersion
	switch {
	case a.Name == ops.AddonKeystoneAuth && spec.ContainerInfraURL == "":
		return badRequest("Label %s has no effect: Keystone's catalogue has no public address of this service.", a.Label)
	case a.Credential && s.OwnCredentials:
		return badRequest("Label %s: this service acts with its own credential for all clusters, and puts it into none of them.", a.Label)
	case !a.Catalogued || version == "": // that is told elsewhere
		return nil
	}
	what := "Label " + a.Label
	if a.Name == ops.AddonNetwork {
		what = "Network driver " + entry
	}
	if s.Catalogue == nil {
		return badRequest("%s has no effect: this service has no catalogue of add-ons.", what)
	}
	names := s.Catalogue.Names(version)
	if slices.Contains(names, entry) {
		return nil
	}
	have := strings.Join(names, ", ")
	if have == "" {
		have = "none"
	}
	return badRequest("%s: the catalogue of add-ons has no %s for Kubernetes %s; there are: %s.", what, entry, version, have)
}

// setting reads the label of an add-on's detail.
func (l *labels) setting(name string) string {
	switch name {
	case "octavia_lb_algorithm":
		return l.choice(name, "", "ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT")
	case "octavia_lb_healthcheck", "csi_cinder_allow_volume_expansion":
		return fmt.Sprint(l.flag(name, true))
	case "csi_cinder_reclaim_policy", "csi_manila_reclaim_policy":
		return l.choice(name, "", "Delete", "Retain")
	case "csi_cinder_volume_binding_mode":
		return l.choice(name, "", "WaitForFirstConsumer", "Immediate")
	case "csi_cinder_fstype":
		return l.choice(name, "", "ext4", "ext3", "xfs")
	}
	v := l.text(name, "")
	if strings.HasSuffix(name, "_tag") && !tagForm.MatchString(v) {
		l.fail(name, "the tag of an image is expected")
	}
	return v
}

// changeAddons refuses a change of labels that no live cluster can follow, and gives the spec that the new ones make.
func (s *Server) changeAddons(cl *db.Cluster, given db.Strings) (ops.ClusterSpec, error) {
	var spec ops.ClusterSpec
	if err := json.Unmarshal(cl.Spec, &spec); err != nil {
		return spec, fmt.Errorf("reading a cluster's spec: %w", err)
	}
	fixed := slices.DeleteFunc(changedLabels(cl.Labels, given), func(name string) bool { return slices.Contains(mutableLabels(), name) })
	if len(fixed) > 0 {
		return spec, badRequest("cannot change cluster property(ies) labels. What was made with %s stays as it is; labels that can be changed are %s.", strings.Join(fixed, ", "), strings.Join(mutableLabels(), ", "))
	}
	_, err := s.addons(given, &spec, append([]string{}, spec.Addons...))
	return spec, err
}

// keepsAddons refuses a version of Kubernetes for which the catalogue lacks something that a cluster has of it.
func (s *Server) keepsAddons(spec ops.ClusterSpec, version string) error {
	spec.KubernetesVersion = version
	for _, a := range ops.Addons() {
		if a.Catalogued && spec.Has(a.Name) {
			if err := s.addonLacks(a, spec.Entry(a.Name), &spec); err != nil {
				return err
			}
		}
	}
	return nil
}

// mutableLabels are those of add-ons that come and go in a live cluster.
func mutableLabels() []string {
	var l []string
	for _, a := range ops.Addons() {
		if !a.Lasting {
			l = append(l, a.Label)
		}
		l = append(l, a.Settings...)
	}
	slices.Sort(l)
	return slices.Compact(l)
}

func changedLabels(before, after db.Strings) []string {
	all := maps.Clone(before)
	if all == nil {
		all = db.Strings{}
	}
	maps.Copy(all, after)
	var l []string
	for name := range all {
		old, had := before[name]
		if v, has := after[name]; had != has || old != v {
			l = append(l, name)
		}
	}
	slices.Sort(l)
	return l
}
