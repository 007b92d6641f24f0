package overhead

import (
	"fmt"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	managedLabel = "app.kubernetes.io/name"
	managedName  = "jeroboam-bench"
	container    = "work"
	port         = 5201
	// report is where a container leaves what its pod's status then has: no log has to be read.
	report = corev1.TerminationMessagePathDefault
	// keptFor: a Job that nobody is there to delete any more deletes itself.
	keptFor = 10 * time.Minute
)

// job is a piece of work on one node. The pod has no rights in the cluster and on the host, and goes where it is told to,
// whatever keeps others away.
func (r *run) job(name string, g group, node string, args ...string) *batchv1.Job {
	var none int32
	no, yes, user := false, true, int64(65534)
	deadline, kept := int64(r.o.Timeout.Seconds()), int32(keptFor.Seconds())
	cpu, memory := resource.MustParse("500m"), resource.MustParse("512Mi")
	labels := map[string]string{managedLabel: managedName}
	pod := corev1.PodSpec{
		NodeSelector: map[string]string{corev1.LabelHostname: node}, Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, FSGroup: &user,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		Containers: []corev1.Container{{
			Name: container, Image: r.o.Image, Command: append([]string{r.o.Program, "bench", "work"}, args...),
			TerminationMessagePath: report, TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory},
				Limits: corev1.ResourceList{corev1.ResourceMemory: memory}},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			VolumeMounts:    []corev1.VolumeMount{{Name: "scratch", MountPath: "/scratch"}},
		}},
		Volumes: []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
	}
	if g.runtime != "" {
		pod.RuntimeClassName = &g.runtime
	}
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.namespace, Labels: labels},
		Spec: batchv1.JobSpec{BackoffLimit: &none, ActiveDeadlineSeconds: &deadline, TTLSecondsAfterFinished: &kept,
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod}}}
}

// arguments of the program for a kind of work.
func (r *run) arguments(work string, more ...string) []string {
	return append([]string{work, "--json", "--report", report, "--folder", "/scratch", "--samples", strconv.Itoa(r.o.Samples), "--time", r.o.SampleTime.String()}, more...)
}

// jobName is a DNS label.
func jobName(index int, work string) string { return fmt.Sprintf("g%d-%s", index, work) }
