package kubernetes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
)

// conformance names those of Kubernetes' conformance tests that need no container image but the one that every node has, in
// parts that take about as long. The others need images of a registry; one of API chunking and one of quotas wait five
// minutes for something.
func conformance() []string {
	oneOf := func(parts ...string) string { return `(` + strings.Join(parts, "|") + `).*\[Conformance\]` }
	return []string{
		oneOf(`\[sig-api-machinery\] (API priority and fairness|AggregatedDiscovery|CustomResource(Definition|PublishOpenAPI)|Discovery|FieldValidation|Garbage collector)`),
		oneOf(`\[sig-api-machinery\] (MutatingAdmissionPolicy|Namespaces|ResourceQuota should (be|create|manage|verify)|Servers with support for (API chunking should return|Table)|` +
			`StorageVersionMigration|ValidatingAdmissionPolicy|Watchers|server version)`),
		oneOf(`\[sig-apps\] (CronJob should support CronJob API|DisruptionController (Listing|should (create|observe|update)))`,
			`\[sig-auth\] (Certificates API|PodCertificateRequest API|ServiceAccounts should (guarantee|run through)|SubjectReview)`,
			`\[sig-instrumentation\] Events`,
			`\[sig-network\] (API Server should have|EndpointSlice should (create and delete|support creating)|Endpoints|Ingress API|IngressClass API|ServiceCIDR|Services should (complete|delete a))`,
			`\[sig-node\] (ConfigMap should (fail|run)|Lease|Node Lifecycle|PodTemplates|RuntimeClass should support|Secrets should (fail|patch)|\[DRA\] CRUD)`,
			`\[sig-scheduling\] (LimitRange|SchedulerPredicates validates (resource limits|that NodeSelector)|SchedulerPreemption PriorityClass)`,
			`\[sig-storage\] (CSIInlineVolumes should run through|CSINodes|CSIStorageCapacity|PersistentVolumes CSI Conformance|StorageClasses CSI Conformance|VolumeAttachment Conformance|VolumeAttributesClass)`),
	}
}

// conforms runs them as whoever certifies a distribution does: those that want to be alone in the cluster after the others.
func (c *cluster) conforms() {
	c.Helper()
	parts := conformance()
	var first sync.WaitGroup
	counts := make([]int, len(parts)+1)
	for i, part := range parts {
		first.Go(func() { counts[i] = c.endToEnd(fmt.Sprint(i+1), part, "!Serial") })
	}
	first.Wait()
	counts[len(parts)] = c.endToEnd("serial", strings.Join(parts, "|"), "Serial")
	sum := 0
	for _, n := range counts {
		sum += n
	}
	c.Logf("of Kubernetes' conformance tests passed %d", sum)
	if sum < 127 {
		c.Errorf("these are not all of them: %v", counts)
	}
}

// endToEnd runs tests of Kubernetes and tells how many have passed; any other than those is an error.
func (c *cluster) endToEnd(name, focus, labels string) (passed int) {
	cache, err := binaries.OpenCache()
	if err != nil {
		c.Error(err)
		return 0
	}
	ctx, cancel := context.WithTimeout(c.Context(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, cache.Program(binaries.Releases()[0], binaries.EndToEndTests), "--kubeconfig="+c.kubeconfig, "--kubectl-path="+c.kubectl, "--provider=skeleton",
		"--ginkgo.focus="+focus, "--ginkgo.label-filter="+labels, "--ginkgo.no-color", "--ginkgo.v")
	cmd.Dir = c.folder
	words := filepath.Join(c.ArtifactDir(), "conformance-"+name)
	log, err := os.Create(words)
	if err != nil {
		c.Error(err)
		return 0
	}
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run()
	_ = log.Close()
	out, _ := os.ReadFile(words)
	found := regexp.MustCompile(`-- (\d+) Passed \| 0 Failed`).FindSubmatch(out)
	if err != nil || found == nil {
		c.Errorf("%s: %s", name, failures(string(out), fmt.Sprint(err)))
		return 0
	}
	passed, _ = strconv.Atoi(string(found[1]))
	return passed
}

// failures is what the tests say of them at their end.
func failures(out, otherwise string) string {
	if _, summary, found := strings.Cut(out, "\nSummarizing "); found {
		return summary
	}
	return otherwise + ": " + out[max(0, len(out)-2000):]
}
