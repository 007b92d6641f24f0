package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// kubeadm keeps the cluster's configuration for joins and upgrades here.
const (
	kubeadmConfig        = "kubeadm-config"
	clusterConfiguration = "ClusterConfiguration"
)

func configMapResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
}

// SetKubeadmVersion makes version the one that control planes get which join from now on. It fails with a conflict
// (Transient) when somebody else changed the configuration at the same time.
func (c *Client) SetKubeadmVersion(ctx context.Context, version string) error {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	maps := c.dynamic.Resource(configMapResource()).Namespace(metav1.NamespaceSystem)
	u, err := maps.Get(ctx, kubeadmConfig, metav1.GetOptions{})
	if err != nil {
		return wrap(ctx, err, "read kubeadm's configuration")
	}
	text, found, err := unstructured.NestedString(u.Object, "data", clusterConfiguration)
	if err != nil || !found {
		return errors.Join(errors.New("kubeadm's configuration in the cluster has no "+clusterConfiguration), err)
	}
	document := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return fmt.Errorf("read kubeadm's configuration: %w", err)
	}
	if document["kubernetesVersion"] == version {
		return nil
	}
	document["kubernetesVersion"] = version
	changed, err := yaml.Marshal(document)
	if err != nil {
		return fmt.Errorf("encode kubeadm's configuration: %w", err)
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": u.GetResourceVersion()},
		"data":     map[string]any{clusterConfiguration: string(changed)},
	})
	if err != nil {
		return fmt.Errorf("encode kubeadm's configuration: %w", err)
	}
	_, err = maps.Patch(ctx, kubeadmConfig, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: userAgent})
	return wrap(ctx, err, "change kubeadm's configuration")
}
