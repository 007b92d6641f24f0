package sim

import (
	"net/http"
	"regexp"
	"slices"
)

// A trait is one of Placement's list, which is not repeated here, or somebody's own.
var traitName = regexp.MustCompile(`^(CUSTOM|HW|STORAGE|COMPUTE|MISC|OWNER|HYPERVISOR)_[A-Z0-9_]+$`)

const maxTraits = 50

func (q *call) traitsThere() error {
	if q.microversion() < 37 {
		return fail(http.StatusNotFound, "", "The resource could not be found.")
	}
	return nil
}

func showTraits(q *call) (any, error) {
	if err := q.traitsThere(); err != nil {
		return nil, err
	}
	node, err := q.node("baremetal:node:traits:list", readsNode)
	if err != nil {
		return nil, err
	}
	return doc{"traits": node.doc.strs("traits")}, nil
}

// changeTraits is behind all that write them.
func changeTraits(q *call, rule string, change func([]string) ([]string, error)) (any, error) {
	if err := q.traitsThere(); err != nil {
		return nil, err
	}
	node, err := q.node("baremetal:node:traits:"+rule, managesNode)
	if err != nil {
		return nil, err
	}
	traits, err := change(slices.Clone(node.doc.strs("traits")))
	if err != nil {
		return nil, err
	}
	if err := checkTraits("trait", traits); err != nil {
		return nil, err
	}
	if err := q.lockable(node); err != nil {
		return nil, err
	}
	slices.Sort(traits)
	if traits = slices.Compact(traits); len(traits) > maxTraits {
		return nil, badRequest("Could not modify traits for node %s as it would exceed the maximum number of traits per node (%d vs. %d)", node.id, len(traits), maxTraits)
	}
	node.doc["traits"] = traits
	return nil, nil
}

func checkTraits(of string, traits []string) error {
	for _, t := range traits {
		if len(t) > 255 || !traitName.MatchString(t) {
			return badRequest("Schema error for %s: '%s' is not valid under any of the given schemas. Possible root cause: '%s' does not match '^CUSTOM_[A-Z0-9_]+$'", of, t, t)
		}
	}
	return nil
}

func setTraits(q *call) (any, error) {
	return changeTraits(q, "set", func([]string) ([]string, error) {
		if !q.body.has("traits") {
			return nil, badRequest("A single node trait may be added via PUT /v1/nodes/<node identifier>/traits/<trait> with no body, or all node traits may be replaced via PUT /v1/nodes/<node identifier>/traits with the list of traits specified in the request body.")
		}
		return q.body.strs("traits"), nil
	})
}

func clearTraits(q *call) (any, error) {
	return changeTraits(q, "delete", func([]string) ([]string, error) { return []string{}, nil })
}

func addTrait(q *call) (any, error) {
	return changeTraits(q, "set", func(l []string) ([]string, error) { return append(l, q.arg("trait")), nil })
}

func removeTrait(q *call) (any, error) {
	return changeTraits(q, "delete", func(l []string) ([]string, error) {
		i := slices.Index(l, q.arg("trait"))
		if i < 0 {
			return nil, fail(http.StatusNotFound, "", "Node %s doesn't have a trait '%s'", q.arg("node"), q.arg("trait"))
		}
		return slices.Delete(l, i, i+1), nil
	})
}
