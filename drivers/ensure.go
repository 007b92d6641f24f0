package drivers

import (
	"context"
	"fmt"
)

// Found is a cloud object that was seen.
type Found struct {
	ID    string
	Attrs map[string]string
}

// Object says how one cloud object is found, made and deleted.
type Object struct {
	Kind, Name, Node string
	// Find lists the objects of this name that carry the cluster's mark, oldest first.
	Find func(ctx context.Context) ([]Found, error)
	// Create asks the cloud for it.
	Create func(ctx context.Context) (Found, error)
	// Delete asks for the end of a duplicate.
	Delete func(ctx context.Context, id string) error
	// Duplicate is told of each duplicate that was found, for the metric; may be nil.
	Duplicate func(kind, id string)
}

// Ensure is the one way in which a cloud object comes to be: intent, then look, then create, then record. What is in the
// ledger with an id is left alone. Only an intent of an earlier call makes a look-up necessary: without one nobody can
// have asked for the object.
func Ensure(ctx context.Context, l Ledger, o Object) (Resource, error) {
	r, known := l.Find(o.Kind, o.Name)
	if known && r.ID != "" {
		return r, nil
	}
	r, err := l.Intend(ctx, Resource{Kind: o.Kind, Name: o.Name, Node: o.Node})
	if err != nil {
		return r, fmt.Errorf("recording the intent of %s %s: %w", o.Kind, o.Name, err)
	}
	if r.ID != "" {
		return r, nil
	}
	var found Found
	if known {
		if found, err = adopt(ctx, o); err != nil {
			return r, err
		}
	}
	if found.ID == "" {
		if found, err = o.Create(ctx); err != nil {
			return r, err
		}
	}
	if err := l.Confirm(ctx, o.Kind, o.Name, found.ID, found.Attrs); err != nil {
		return r, fmt.Errorf("recording %s %s: %w", o.Kind, o.Name, err)
	}
	r.ID, r.Attrs = found.ID, found.Attrs
	return r, nil
}

// adopt takes the oldest of what an earlier attempt left, and deletes the others.
func adopt(ctx context.Context, o Object) (Found, error) {
	all, err := o.Find(ctx)
	if err != nil || len(all) == 0 {
		return Found{}, err
	}
	for _, extra := range all[1:] {
		if o.Duplicate != nil {
			o.Duplicate(o.Kind, extra.ID)
		}
		if err := o.Delete(ctx, extra.ID); err != nil {
			return Found{}, err
		}
	}
	return all[0], nil
}
