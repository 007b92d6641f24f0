package kube

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Serving is how far kubelets are with their serving certificates, by their nodes.
type Serving struct {
	Issued  map[string][]byte // the newest that they were given, PEM; the cluster keeps requests for an hour
	Refused map[string]string // why a request was left alone
}

const (
	nodeUser  = "system:node:"
	nodeGroup = "system:nodes"
)

func signingRequestResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "certificates.k8s.io", Version: "v1", Resource: "certificatesigningrequests"}
}

// ApproveServing approves the requests of kubelets for serving certificates that name their own node and addresses, and
// nothing else. Which addresses a node has is the caller's to know: kubelets themselves write what the cluster says of it.
// A request that is not approved is left to run out: its kubelet asks again.
func (c *Client) ApproveServing(ctx context.Context, addresses map[string][]string) (Serving, error) {
	s := Serving{Issued: map[string][]byte{}, Refused: map[string]string{}}
	newest := map[string]time.Time{}
	var errs []error
	err := c.each(ctx, signingRequestResource(), "spec.signerName="+certificatesv1.KubeletServingSignerName, func(u *unstructured.Unstructured) error {
		r, err := typed[certificatesv1.CertificateSigningRequest](u)
		if err != nil {
			return err
		}
		node := strings.TrimPrefix(r.Spec.Username, nodeUser)
		switch {
		case len(r.Status.Certificate) > 0:
			if at := r.CreationTimestamp.Time; s.Issued[node] == nil || at.After(newest[node]) {
				s.Issued[node], newest[node] = r.Status.Certificate, at
			}
		case decided(r):
		default:
			if err := checkServing(r, node, addresses[node]); err != nil {
				s.Refused[node] = err.Error()
				return nil
			}
			errs = append(errs, c.approve(ctx, r))
		}
		return nil
	})
	return s, errors.Join(append(errs, err)...)
}

// ForgetServing deletes the requests of a node's kubelet. What it was given stays valid; only nobody takes it for the
// certificate of the kubelet that comes after it under the same name.
func (c *Client) ForgetServing(ctx context.Context, node string) error {
	return c.each(ctx, signingRequestResource(), "spec.signerName="+certificatesv1.KubeletServingSignerName, func(u *unstructured.Unstructured) error {
		r, err := typed[certificatesv1.CertificateSigningRequest](u)
		if err != nil || r.Spec.Username != nodeUser+node {
			return err
		}
		ctx, cancel := c.quiet(ctx)
		defer cancel()
		err = c.dynamic.Resource(signingRequestResource()).Delete(ctx, r.Name, metav1.DeleteOptions{})
		if err = wrap(ctx, err, "delete the request %s of %s", r.Name, r.Spec.Username); errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	})
}

// decided tells that the request was approved or denied already.
func decided(r *certificatesv1.CertificateSigningRequest) bool {
	return slices.ContainsFunc(r.Status.Conditions, func(c certificatesv1.CertificateSigningRequestCondition) bool {
		return c.Type == certificatesv1.CertificateApproved || c.Type == certificatesv1.CertificateDenied || c.Type == certificatesv1.CertificateFailed
	})
}

// checkServing says why a request is not one that the kubelet of this node, with these addresses, may make.
func checkServing(r *certificatesv1.CertificateSigningRequest, node string, addresses []string) error {
	switch {
	case r.Spec.Username != nodeUser+node || !slices.Contains(r.Spec.Groups, nodeGroup):
		return fmt.Errorf("the request was made by %s, which is no node", r.Spec.Username)
	case len(addresses) == 0:
		return fmt.Errorf("%s is not a node of this cluster, or has no address yet", node)
	}
	for _, usage := range r.Spec.Usages {
		if usage != certificatesv1.UsageDigitalSignature && usage != certificatesv1.UsageKeyEncipherment && usage != certificatesv1.UsageServerAuth {
			return fmt.Errorf("the request is for the usage %q, too", usage)
		}
	}
	block, rest := pem.Decode(r.Spec.Request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(strings.TrimSpace(string(rest))) > 0 {
		return errors.New("the request is not PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return fmt.Errorf("the request cannot be read: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return fmt.Errorf("the request is not signed by its own key: %w", err)
	}
	return checkNames(csr, node, addresses)
}

// checkNames: what a client would believe of the certificate has to be so.
func checkNames(csr *x509.CertificateRequest, node string, addresses []string) error {
	if csr.Subject.CommonName != nodeUser+node || !slices.Equal(csr.Subject.Organization, []string{nodeGroup}) {
		return fmt.Errorf("the request is for %s", csr.Subject)
	}
	if len(csr.EmailAddresses) > 0 || len(csr.URIs) > 0 {
		return errors.New("the request has names that are neither of hosts nor addresses")
	}
	if len(csr.IPAddresses) == 0 {
		return errors.New("the request has no address")
	}
	for _, name := range csr.DNSNames {
		if name != node {
			return fmt.Errorf("the request names the host %s", name)
		}
	}
	for _, ip := range csr.IPAddresses {
		address, ok := netip.AddrFromSlice(ip)
		if !ok || !slices.Contains(addresses, address.Unmap().String()) {
			return fmt.Errorf("the request names the address %s, which is not the node's; that has %s", ip, strings.Join(addresses, ", "))
		}
	}
	return nil
}

func (c *Client) approve(ctx context.Context, r *certificatesv1.CertificateSigningRequest) error {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	r.TypeMeta = metav1.TypeMeta{APIVersion: "certificates.k8s.io/v1", Kind: "CertificateSigningRequest"}
	r.Status.Conditions = append(r.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue,
		Reason: "AddressesAreTheNodes", Message: "Approved by Jeroboam: names and addresses are those of the node's host."})
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(r)
	if err != nil {
		return fmt.Errorf("encode the request %s: %w", r.Name, err)
	}
	_, err = c.dynamic.Resource(signingRequestResource()).Update(ctx, &unstructured.Unstructured{Object: object}, metav1.UpdateOptions{FieldManager: userAgent}, "approval")
	if err = wrap(ctx, err, "approve the request %s of %s", r.Name, r.Spec.Username); errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
