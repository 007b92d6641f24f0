package service

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// Binaries is what group [conductor] has of where hosts get Kubernetes from when they are upgraded where they are.
type Binaries struct {
	URL  string `opt:"kubernetes_binaries_url" help:"Folder with kubeadm, kubelet and kubectl, for control planes that are upgraded on the hosts that they have: those of clusters without a load balancer. {version} and {arch} stand for what is wanted, as in https://mirror.example.org/{version}/bin/linux/{arch}. Without it such clusters cannot be upgraded"`
	Sums string `opt:"kubernetes_binaries_checksums" help:"File with the SHA-256 sums of these programs, as sha256sum writes it over files named VERSION/ARCH/PROGRAM. Nothing is installed whose sum is not in it"`
}

// read gives what the options name.
func (b Binaries) read() (kube.Binaries, error) {
	out := kube.Binaries{URL: b.URL, SHA256: map[string]string{}}
	if b.URL == "" {
		return out, nil
	}
	content, err := os.ReadFile(b.Sums)
	if err != nil {
		return out, fmt.Errorf("[conductor] kubernetes_binaries_checksums: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for number := 1; lines.Scan(); number++ {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 0:
		case len(fields) != 2 || len(fields[0]) != 64 || strings.Count(fields[1], "/") != 2:
			return out, fmt.Errorf("[conductor] kubernetes_binaries_checksums: line %d of %s is not a SHA-256 sum and VERSION/ARCH/PROGRAM", number, b.Sums)
		default:
			out.SHA256[strings.TrimPrefix(fields[1], "*")] = fields[0]
		}
	}
	return out, nil
}
