package sim

import (
	"net/http"
	"slices"
)

// Metadata and tags.

func showMetadata(q *call) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	return doc{"metadata": o.doc["metadata"]}, nil
}

func setMetadata(q *call) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	o.doc["metadata"] = doc{}
	return mergeMetadata(q)
}

func mergeMetadata(q *call) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	merged := doc{}
	for _, m := range []doc{o.doc.sub("metadata"), q.body.sub("metadata")} {
		for key, value := range m {
			merged[key] = value
		}
	}
	o.doc["metadata"] = merged
	return doc{"metadata": merged}, nil
}

func deleteMetadata(q *call) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	if !o.doc.sub("metadata").has(q.arg("key")) {
		return nil, fail(http.StatusNotFound, "", "Metadata item was not found")
	}
	delete(o.doc.sub("metadata"), q.arg("key"))
	return nil, nil
}

func (q *call) changeServerTags(change func([]string) []string) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	tags := change(slices.Clone(o.doc.strs("tags")))
	slices.Sort(tags)
	o.doc["tags"] = slices.Compact(tags)
	return doc{"tags": o.doc["tags"]}, nil
}

func showServerTags(q *call) (any, error) {
	return q.changeServerTags(func(tags []string) []string { return tags })
}

func setServerTags(q *call) (any, error) {
	return q.changeServerTags(func([]string) []string { return q.body.strs("tags") })
}

func addServerTag(q *call) (any, error) {
	_, err := q.changeServerTags(func(tags []string) []string { return append(tags, q.arg("tag")) })
	return nil, err
}

func deleteServerTag(q *call) (any, error) {
	had := false
	_, err := q.changeServerTags(func(tags []string) []string {
		i := slices.Index(tags, q.arg("tag"))
		if had = i >= 0; !had {
			return tags
		}
		return slices.Delete(tags, i, i+1)
	})
	if err == nil && !had {
		err = fail(http.StatusNotFound, "", "Server %s has no tag '%s'", q.arg("id"), q.arg("tag"))
	}
	return nil, err
}
