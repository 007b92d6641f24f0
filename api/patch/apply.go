package patch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// Apply gives the resource as it is after the patch, for the caller to validate like a new one; view stays as it is. Attributes
// that the patch does not touch are handed over as they are in view. Whole attributes that are numbers are float64, as
// encoding/json decodes them; numbers inside maps and lists are json.Number, so that labels keep their text.
//
// What the patch is at fault for is an *Error.
func Apply(view map[string]any, ops []Op, rules Rules) (map[string]any, error) {
	if len(ops) == 0 {
		return maps.Clone(view), nil
	}
	ready := make([]Op, len(ops))
	touched := map[string]bool{}
	for i, op := range ops {
		ready[i] = op
		name := root(op.Path)[1:]
		touched[name] = true
		if op.Op == "remove" || op.Path != "/"+name {
			continue
		}
		if op.Op == "add" {
			if err := checkAdd(view, name, op.Path); err != nil {
				return nil, err
			}
		}
		ready[i].Value = numeric(view[name], op.Value)
	}
	after, err := run(view, ready)
	if err != nil {
		return nil, err
	}
	for name, value := range after {
		if !touched[name] {
			after[name] = view[name]
			continue
		}
		if n, ok := value.(json.Number); ok {
			f, err := n.Float64()
			if err != nil {
				return nil, invalid("/"+name, n.String(), "The number is too large.")
			}
			after[name] = f
		}
	}
	return after, nil
}

// checkAdd keeps patches from inventing attributes, and from replacing by accident.
func checkAdd(view map[string]any, name, path string) error {
	current, ok := view[name]
	switch {
	case !ok:
		return refuse("Adding a new attribute (%s) to the root of the resource is not allowed", path)
	case current != nil:
		return refuse("The attribute %s has existed, please use 'replace' operation instead.", path)
	}
	return nil
}

// numeric turns "3" and true into numbers where a number is now: forms send every value as text.
func numeric(current, value any) any {
	switch current.(type) {
	case float64, float32, int, int64, int32, json.Number:
	default:
		return value
	}
	switch v := value.(type) {
	case string:
		if n, ok := decimal(v); ok {
			return n
		}
	case bool:
		return asNumber(v)
	}
	return value
}

func run(view map[string]any, ops []Op) (map[string]any, error) {
	doc, err := json.Marshal(view)
	if err != nil {
		return nil, fmt.Errorf("encoding a resource for a patch: %w", err)
	}
	text, err := json.Marshal(ops)
	if err != nil {
		return nil, fmt.Errorf("encoding a patch: %w", err)
	}
	p, err := jsonpatch.DecodePatch(text)
	if err != nil {
		return nil, couldNot(text, err)
	}
	o := jsonpatch.NewApplyOptions()
	o.SupportNegativeIndices = false
	for i, op := range p {
		doc, err = jsonpatch.Patch{op}.ApplyWithOptions(doc, o)
		switch {
		case errors.Is(err, jsonpatch.ErrMissing):
			return nil, couldNot(text, fmt.Errorf("there is no %s to %s", ops[i].Path, ops[i].Op))
		case err != nil:
			return nil, couldNot(text, err)
		}
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var after map[string]any
	if err := d.Decode(&after); err != nil {
		return nil, fmt.Errorf("decoding a patched resource: %w", err)
	}
	return after, nil
}

func couldNot(patch []byte, reason error) error {
	const limit = 500
	text := []rune(string(patch))
	if len(text) > limit {
		text = append(text[:limit], '…')
	}
	return refuse("Couldn't apply patch '%s'. Reason: %v", string(text), reason)
}
