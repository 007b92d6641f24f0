package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/addons"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// lostAddons compares add-ons as they would be applied now with what is there: an object that somebody deleted, or a class
// of volumes for a type that came or went. What is in an object is not looked at. A cluster that cannot be asked now is
// compared the next time.
func (w *work) lostAddons(ctx context.Context) []drivers.Drift {
	found, err := w.compareAddons(ctx)
	if err != nil {
		log.From(ctx).Warn("comparing add-ons failed", zap.Error(err))
		return nil
	}
	return found
}

func (w *work) compareAddons(ctx context.Context) ([]drivers.Drift, error) {
	objects, err := w.allAddonObjects(ctx)
	if err != nil {
		return nil, err
	}
	c, err := w.e.onlooker(ctx, w.s.Cluster)
	if err != nil {
		return nil, err
	}
	missing, surplus, err := c.Compare(ctx, ofAddons, objects)
	if err != nil {
		return nil, err
	}
	return append(addonDrift(missing, "lacks"), addonDrift(surplus, "is to have no more")...), nil
}

// addonDrift tells of objects by add-on.
func addonDrift(objects []*unstructured.Unstructured, verb string) []drivers.Drift {
	names := map[string][]string{}
	for _, o := range objects {
		name := o.GetLabels()[addons.Label]
		names[name] = append(names[name], o.GetKind()+" "+o.GetName())
	}
	var out []drivers.Drift
	for _, name := range slices.Sorted(maps.Keys(names)) {
		slices.Sort(names[name])
		out = append(out, drivers.Drift{Kind: drivers.KindAddon, Name: name, What: fmt.Sprintf("%s %s", verb, some(names[name]))})
	}
	return out
}
