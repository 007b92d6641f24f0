package userdata

import (
	"net"
	"slices"
	"strings"
)

// proxyEnvironment is the content of the file that systemd gives containerd and kubelet, and that the bootstrap script adds
// to /etc/environment. Values were checked to need no quoting in either.
func proxyEnvironment(h Host) []byte {
	var out strings.Builder
	for _, v := range []struct{ name, value string }{
		{"http_proxy", h.Proxy.HTTP}, {"https_proxy", h.Proxy.HTTPS}, {"no_proxy", strings.Join(noProxy(h), ",")},
	} {
		if v.value != "" {
			out.WriteString(v.name + "=" + v.value + "\n" + strings.ToUpper(v.name) + "=" + v.value + "\n")
		}
	}
	return []byte(out.String())
}

// noProxy has what must never go through the proxy: this host, its metadata, the API and the cluster's networks.
func noProxy(h Host) []string {
	host, _ := splitEndpoint(h.ControlPlaneEndpoint)
	list := []string{"localhost", "127.0.0.1", "::1", "169.254.169.254", ".svc", "." + h.dnsDomain(), host}
	for _, subnets := range []string{h.PodSubnet, h.ServiceSubnet} {
		for subnet := range strings.SplitSeq(subnets, ",") {
			if subnet != "" {
				list = append(list, subnet)
			}
		}
	}
	list = append(list, h.Proxy.No...)
	slices.Sort(list)
	return slices.Compact(list)
}

// splitEndpoint parts an endpoint that was checked.
func splitEndpoint(endpoint string) (host, port string) {
	host, port, _ = net.SplitHostPort(endpoint)
	return host, port
}
