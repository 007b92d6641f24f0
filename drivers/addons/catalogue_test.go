package addons_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/drivers/addons"
)

const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestReadCatalogue(t *testing.T) {
	entry := func(changes ...string) string {
		return strings.NewReplacer(changes...).Replace("entries:\n- name: flannel\n  version: v0.28.1\n  kubernetes: [\"1.36\", \"1.37\"]\n  url: https://mirror.example.org/flannel.yaml\n  sha256: " + sum + "\n  replace: {10.244.0.0/16: \"{pod_cidr}\"}\n")
	}
	for _, tc := range []struct{ name, file, want string }{
		{"a good one", entry(), ""},
		{"nothing", "", ""},
		{"no YAML", "entries: [", "yaml"},
		{"an unknown field", entry("version:", "release:"), "release"},
		{"a name that is none", entry("flannel\n", "Flannel CNI\n"), "entry 1 (Flannel CNI): name is not"},
		{"plain HTTP", entry("https:", "http:"), "url is not https"},
		{"a password in the URL", entry("https://", "https://a:b@"), "url is not https"},
		{"no checksum", entry(sum, "abc"), "sha256 is not"},
		{"a patch version", entry("1.36", "1.36.5"), `"1.36.5" is not a minor version`},
		{"no version", entry("[\"1.36\", \"1.37\"]", "[]"), "kubernetes is needed"},
		{"twice for one version", entry("1.36", "1.37"), "another one for Kubernetes 1.37"},
		{"an unknown placeholder", entry("{pod_cidr}", "{pods}"), "{pods} is none of {api_host}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := addons.ReadCatalogue([]byte(tc.file))
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Fatalf("error %v, want one with %q", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, found := c.Find("flannel", "v1.36.5")
			if _, other := c.Find("flannel", "v1.38.0"); found != (tc.file != "") || other {
				t.Errorf("found %v, for another version %v", found, other)
			}
		})
	}
}

func TestNoCatalogue(t *testing.T) {
	var c *addons.Catalogue
	if _, found := c.Find("flannel", "v1.36.5"); found {
		t.Error("an entry of no catalogue")
	}
}

func TestRenderEntry(t *testing.T) {
	manifest, err := os.ReadFile("testdata/entry.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e := addons.Entry{Name: "flannel", Version: "v0.28.1", Replace: map[string]string{"10.244.0.0/16": "{pod_cidr}"}}
	c := testCluster()
	c.ImagePrefix = "mirror.example.org/k8s"
	objects, err := addons.RenderEntry(c, e, manifest)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "entry", text(t, objects))

	e.Replace["10.42.0.0/16"] = "{pod_cidr}"
	if _, err := addons.RenderEntry(c, e, manifest); err == nil || !strings.Contains(err.Error(), `no "10.42.0.0/16" to replace`) {
		t.Errorf("a text that is not there: %v", err)
	}
	if _, err := addons.RenderEntry(c, addons.Entry{Name: "x"}, []byte("kind: Pod\napiVersion: v1\n")); err == nil || !strings.Contains(err.Error(), "without a name") {
		t.Errorf("an object without a name: %v", err)
	}
}

func TestFetch(t *testing.T) {
	const body = "kind: ConfigMap\n"
	digest := sha256.Sum256([]byte(body))
	good := hex.EncodeToString(digest[:])
	asked := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { asked++; _, _ = w.Write([]byte(body)) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 5<<20)) })
	mux.Handle("/elsewhere", http.RedirectHandler("/good", http.StatusFound))
	mux.Handle("/plain", http.RedirectHandler("http://mirror.invalid/good", http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	for _, tc := range []struct{ name, path, sum, want string }{
		{"what the catalogue says", "/good", good, ""},
		{"in capital letters", "/good", strings.ToUpper(good), ""},
		{"somewhere else on the way", "/elsewhere", good, ""},
		{"something else", "/good", sum, addons.ErrChecksum.Error()},
		{"not there", "/missing", good, "404"},
		{"too much", "/large", good, "more than"},
		{"away from TLS", "/plain", good, "away from https"},
		{"in circles", "/round", good, "more than 3 times"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := addons.NewFetcher(server.Client().Transport)
			got, err := f.Fetch(t.Context(), addons.Entry{Name: "x", Version: "v1", URL: server.URL + tc.path, SHA256: tc.sum})
			switch {
			case tc.want == "" && (err != nil || string(got) != body):
				t.Errorf("got %q, %v", got, err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("error %v, want one with %q", err, tc.want)
			case errors.Is(err, addons.ErrChecksum) != (tc.want == addons.ErrChecksum.Error()):
				t.Errorf("error %v is not told apart", err)
			}
		})
	}
	t.Run("kept", func(t *testing.T) {
		f := addons.NewFetcher(server.Client().Transport)
		asked = 0
		for range 3 {
			if _, err := f.Fetch(t.Context(), addons.Entry{Name: "x", URL: server.URL + "/good", SHA256: good}); err != nil {
				t.Fatal(err)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times for one manifest", asked)
		}
	})
	t.Run("a certificate of nobody", func(t *testing.T) {
		if _, err := addons.NewFetcher(&http.Transport{}).Fetch(t.Context(), addons.Entry{URL: server.URL + "/good", SHA256: good}); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("error %v", err)
		}
	})
}
