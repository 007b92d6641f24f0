package kube

import (
	"fmt"
	"slices"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// componentFields lists the top-level fields of a component's configuration by the shape of their values. What is inside nested
// values is the component's own business.
type componentFields struct {
	texts, booleans, numbers, durations, lists, mappings string
}

// kubeletFields are those of kubelet.config.k8s.io/v1beta1 as of Kubernetes 1.37.
func kubeletFields() componentFields {
	return componentFields{
		texts: `address cgroupDriver cgroupRoot clusterDomain configMapAndSecretChangeDetectionStrategy containerLogMaxSize
			containerRuntimeEndpoint contentType cpuManagerPolicy hairpinMode healthzBindAddress
			imagePullCredentialsVerificationPolicy imageServiceEndpoint kubeReservedCgroup kubeletCgroups
			memoryManagerPolicy memoryReservationPolicy podCIDR podLogsDir providerID reservedSystemCPUs resolvConf
			showHiddenMetricsForVersion staticPodPath staticPodURL systemCgroups systemReservedCgroup tlsCertFile
			tlsMinVersion tlsPrivateKeyFile topologyManagerPolicy topologyManagerScope volumePluginDir`,
		booleans: `cgroupsPerQOS cpuCFSQuota enableContentionProfiling enableControllerAttachDetach enableDebugFlagsHandler
			enableDebuggingHandlers enableProfilingHandler enableServer enableSystemLogHandler enableSystemLogQuery
			failCgroupV1 failSwapOn kernelMemcgNotification localStorageCapacityIsolation makeIPTablesUtilChains
			mergeDefaultEvictionSettings protectKernelDefaults registerNode rotateCertificates runOnce seccompDefault
			serializeImagePulls serverTLSBootstrap singleProcessOOMKill`,
		numbers: `containerLogMaxFiles containerLogMaxWorkers eventBurst eventRecordQPS evictionMaxPodGracePeriod
			healthzPort imageGCHighThresholdPercent imageGCLowThresholdPercent iptablesDropBit iptablesMasqueradeBit
			kubeAPIBurst kubeAPIQPS maxOpenFiles maxParallelImagePulls maxPods memoryThrottlingFactor
			nodeLeaseDurationSeconds nodeStatusMaxImages oomScoreAdj podPidsLimit podsPerCore port readOnlyPort
			registryBurst registryPullQPS`,
		durations: `containerLogMonitorInterval cpuCFSQuotaPeriod cpuManagerReconcilePeriod
			evictionPressureTransitionPeriod fileCheckFrequency httpCheckFrequency imageMaximumGCAge imageMinimumGCAge
			nodeStatusReportFrequency nodeStatusUpdateFrequency runtimeRequestTimeout shutdownGracePeriod
			shutdownGracePeriodCriticalPods streamingConnectionIdleTimeout syncFrequency volumeStatsAggPeriod`,
		lists: `allowedUnsafeSysctls clusterDNS enforceNodeAllocatable preloadedImagesVerificationAllowlist
			registerWithTaints reservedMemory shutdownGracePeriodByPodPriority tlsCipherSuites tlsCurvePreferences`,
		mappings: `authentication authorization cpuManagerPolicyOptions crashLoopBackOff defaultPodSysctls evictionHard
			evictionMinimumReclaim evictionSoft evictionSoftGracePeriod featureGates kubeReserved logging memorySwap
			qosReserved staticPodURLHeader systemReserved topologyManagerPolicyOptions tracing userNamespaces`,
	}
}

// kubeProxyFields are those of kubeproxy.config.k8s.io/v1alpha1 as of Kubernetes 1.37.
func kubeProxyFields() componentFields {
	return componentFields{
		texts: `bindAddress clusterCIDR detectLocalMode healthzBindAddress hostnameOverride metricsBindAddress mode portRange
			showHiddenMetricsForVersion`,
		booleans:  `bindAddressHardFail enableProfiling windowsRunAsService`,
		numbers:   `oomScoreAdj`,
		durations: `configSyncPeriod`,
		lists:     `nodePortAddresses`,
		mappings:  `clientConnection conntrack detectLocal featureGates iptables ipvs logging nftables winkernel`,
	}
}

// check reads a component's configuration: every field known, every value of its shape.
func (f componentFields) check(document []byte) error {
	asJSON, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	var object map[string]any
	if err := utiljson.Unmarshal(asJSON, &object); err != nil {
		return err
	}
	for name, value := range object {
		if name == "apiVersion" || name == "kind" || value == nil {
			continue
		}
		if err := f.checkField(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (f componentFields) checkField(name string, value any) error {
	shapes := []struct {
		want, names string
		fits        bool
	}{
		{"a string", f.texts, is[string](value)},
		{"a boolean", f.booleans, is[bool](value)},
		{"a number", f.numbers, is[int64](value) || is[float64](value)},
		{"a duration", f.durations, isDuration(value)},
		{"a list", f.lists, is[[]any](value)},
		{"a mapping", f.mappings, is[map[string]any](value)},
	}
	for _, shape := range shapes {
		if !slices.Contains(strings.Fields(shape.names), name) {
			continue
		}
		if !shape.fits {
			return fmt.Errorf("field %q is not %s", name, shape.want)
		}
		return nil
	}
	return fmt.Errorf("strict decoding error: unknown field %q", name)
}

func is[T any](value any) bool {
	_, ok := value.(T)
	return ok
}
