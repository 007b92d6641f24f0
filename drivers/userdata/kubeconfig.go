package userdata

import "sigs.k8s.io/yaml"

// discovery tells joining hosts where the API is, and by what it is to be believed. With a token and a pin instead, a host would
// have to wait until the controller manager has signed what it reads.
func discovery(h Host) ([]byte, error) {
	return kubeconfig("kubernetes", "https://"+h.ControlPlaneEndpoint, h.ClusterCA)
}

// kubeconfig leads to one server, without credentials. No CA: those that the host trusts.
func kubeconfig(name, server string, ca []byte) ([]byte, error) {
	type named struct {
		Name    string            `json:"name"`
		Cluster map[string]any    `json:"cluster,omitempty"`
		User    map[string]any    `json:"user,omitempty"`
		Context map[string]string `json:"context,omitempty"`
	}
	const nobody = "nobody"
	cluster := map[string]any{"server": server}
	if len(ca) > 0 {
		cluster["certificate-authority-data"] = ca
	}
	return yaml.Marshal(map[string]any{"apiVersion": "v1", "kind": "Config", "current-context": name,
		"clusters": []named{{Name: name, Cluster: cluster}}, "users": []named{{Name: nobody}},
		"contexts": []named{{Name: name, Context: map[string]string{"cluster": name, "user": nobody}}}})
}
