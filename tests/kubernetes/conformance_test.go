package kubernetes

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
)

// conformance names those of Kubernetes' conformance tests that need no container image but the one that every node has.
// The others need images of a registry.
func conformance() string {
	return `(` + strings.Join([]string{
		`\[sig-api-machinery\] (API priority and fairness|AggregatedDiscovery|CustomResource(Definition|FieldSelectors|PublishOpenAPI)|Discovery|FieldValidation|Garbage collector|MutatingAdmissionPolicy|` +
			`Namespaces|ResourceQuota|Servers with support|StorageVersionMigration|ValidatingAdmissionPolicy|Watchers|server version)`,
		`\[sig-apps\] (ControllerRevision|CronJob should support CronJob API|DisruptionController (Listing|should (create|observe|update)))`,
		`\[sig-auth\] (Certificates API|PodCertificateRequest API|ServiceAccounts should (guarantee|run through)|SubjectReview)`,
		`\[sig-instrumentation\] Events`,
		`\[sig-network\] (API Server should have|EndpointSlice should (create and delete|support creating)|EndpointSliceMirroring|Endpoints|Ingress API|IngressClass API|ServiceCIDR|Services should (complete|delete a))`,
		`\[sig-node\] (ConfigMap should (fail|run)|Lease|Node Lifecycle|PodTemplates|RuntimeClass should support|Secrets should (fail|patch)|\[DRA\] CRUD)`,
		`\[sig-scheduling\] (LimitRange|SchedulerPredicates validates (resource limits|that NodeSelector)|SchedulerPreemption PriorityClass)`,
		`\[sig-storage\] (CSIInlineVolumes should run through|CSINodes|CSIStorageCapacity|PersistentVolumes CSI Conformance|StorageClasses CSI Conformance|VolumeAttachment Conformance|VolumeAttributesClass)`,
	}, "|") + `).*\[Conformance\]`
}

// conforms runs them, as whoever certifies a distribution does.
func (c *cluster) conforms() {
	c.Helper()
	cache, err := binaries.OpenCache()
	if err != nil {
		c.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.Context(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, cache.Program(binaries.Releases()[0], binaries.EndToEndTests), "--kubeconfig="+c.kubeconfig, "--kubectl-path="+c.kubectl, "--provider=skeleton",
		"--ginkgo.focus="+conformance(), "--ginkgo.no-color", "--ginkgo.v")
	cmd.Dir = c.folder
	out, err := cmd.CombinedOutput()
	words := filepath.Join(c.ArtifactDir(), "conformance")
	if err := os.WriteFile(words, out, 0o600); err != nil {
		c.Error(err)
	}
	counts := regexp.MustCompile(`-- (\d+) Passed \| (\d+) Failed`).FindSubmatch(out)
	if err != nil || counts == nil {
		c.Fatalf("the tests ended with %v; what they said is in %s:\n%s", err, words, out[max(0, len(out)-4000):])
	}
	passed, _ := strconv.Atoi(string(counts[1]))
	c.Logf("%d of Kubernetes' conformance tests passed, %s failed", passed, counts[2])
	if passed < 100 {
		c.Error("that is not all of them")
	}
}
