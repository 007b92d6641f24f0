package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
)

// TestKubeconfig is printed for those whose tokens the cluster takes, and holds none of them. (The all-in-one of the other
// tests has no address over TLS, which the add-on wants.)
func TestKubeconfig(t *testing.T) {
	for _, taken := range []bool{true, false} {
		t.Run(fmt.Sprint(taken), func(t *testing.T) {
			api := http.NewServeMux()
			api.HandleFunc("GET /v1/clusters/dev", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"uuid":"u","name":"dev","api_address":"https://192.0.2.7:6443"}`))
			})
			api.HandleFunc("GET /v1/certificates/u", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"pem":"a certificate"}`)) })
			api.HandleFunc("POST /v1/clusters/u/tokenreviews", func(w http.ResponseWriter, r *http.Request) {
				var review authenticationv1.TokenReview
				if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Kind != "TokenReview" || review.APIVersion != "authentication.k8s.io/v1" || review.Spec.Token != "a token" {
					t.Errorf("the review: %+v, %v", review, err)
				}
				_ = json.NewEncoder(w).Encode(authenticationv1.TokenReview{Status: authenticationv1.TokenReviewStatus{Authenticated: taken}})
			})
			server := httptest.NewServer(api)
			defer server.Close()
			var out buffer
			service := &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{TokenID: "a token"}, Endpoint: server.URL + "/v1/"}
			err := printKubeconfig(t.Context(), &clusterCall{shell: shell{stdout: &out}, api: &apiClient{&containerinfra.Client{Service: service}}}, []string{"dev"})
			if !taken {
				if err == nil || !strings.Contains(err.Error(), "cluster dev: your token of Keystone is not taken") || out.String() != "" {
					t.Errorf("%v, %s", err, out.String())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range []string{"server: https://192.0.2.7:6443", "certificate-authority-data: YSBjZXJ0aWZpY2F0ZQ==", "current-context: dev", "command: jeroboam", "    - credential\n"} {
				if !strings.Contains(out.String(), line) {
					t.Errorf("%q is not in\n%s", line, out.String())
				}
			}
			if strings.Contains(out.String(), "a token") {
				t.Error("there is a token in it")
			}
		})
	}
}
