package sim

import (
	"encoding/base64"
	"net/http"
	"path"
	"strings"
)

func secretRoutes() []route {
	out := []route{
		{"GET", "/secrets", 200, listSecrets, false},
		{"POST", "/secrets", 201, createSecret, false},
		{"GET", "/secrets/{id}", 200, showSecret, false},
		{"PUT", "/secrets/{id}", 204, putPayload, false},
		{"DELETE", "/secrets/{id}", 204, deleteSecret("secret"), false},
		{"GET", "/secrets/{id}/payload", 200, showPayload, false},
		{"GET", "/containers", 200, listContainers, false},
		{"POST", "/containers", 201, createContainer, false},
		{"GET", "/containers/{id}", 200, showContainer, false},
		{"DELETE", "/containers/{id}", 204, deleteSecret("container"), false},
	}
	for _, kind := range []string{"secret", "container"} {
		path := "/" + kind + "s/{id}/consumers"
		out = append(out,
			route{"GET", path, 200, consumers(kind, func(l []doc, _ doc) []doc { return l }), false},
			route{"POST", path, 200, consumers(kind, func(l []doc, c doc) []doc { return append(l, c) }), false},
			route{"DELETE", path, 200, consumers(kind, withoutConsumer), false},
		)
	}
	return out
}

func (q *call) ref(o *object) string { return q.url + "/key-manager/v1/" + o.kind + "s/" + o.id }

func (q *call) secretView(o *object) doc {
	out := o.doc.public()
	delete(out, "id")
	out[o.kind+"_ref"] = q.ref(o)
	return out
}

func ownOnly(q *call) func(*object) bool {
	return func(o *object) bool { return o.project == q.project() }
}

func listSecrets(q *call) (any, error) {
	return q.list(listing{kind: "secret", collection: "secrets", render: q.secretView, sees: ownOnly(q)})
}

func listContainers(q *call) (any, error) {
	return q.list(listing{kind: "container", collection: "containers", render: q.secretView, sees: ownOnly(q)})
}

func createSecret(q *call) (any, error) {
	in := q.body
	payload := strings.TrimSpace(in.str("payload")) // Barbican keeps no blanks around it
	if in.has("payload") && in.str("payload_content_type") == "" {
		return nil, badRequest("Provided object does not match schema 'Secret': payload_content_type must be supplied when payload is supplied. Invalid property: 'payload_content_type'")
	}
	if in.str("payload_content_encoding") == "base64" {
		raw, err := base64.StdEncoding.DecodeString(payload)
		if err != nil {
			return nil, badRequest("Unable to decode request data.")
		}
		payload = string(raw)
	}
	var types any
	if in.has("payload") {
		types = doc{"default": in.str("payload_content_type")}
	}
	o := q.add("secret", q.project(), doc{
		"name": in["name"], "status": "ACTIVE", "secret_type": cmpOr(in.str("secret_type"), "opaque"), "algorithm": in["algorithm"], "bit_length": in["bit_length"], "mode": in["mode"],
		"content_types": types, "creator_id": q.token.userID, "expiration": in["expiration"], "created": q.plainNow(), "updated": q.plainNow(),
		"_payload": payload, "_consumers": []doc{},
	})
	q.header.Set("Location", q.ref(o))
	return doc{"secret_ref": q.ref(o)}, nil
}

func (q *call) secret(kind string) (*object, error) {
	o := q.get(kind, q.arg("id"))
	switch {
	case o == nil:
		return nil, fail(http.StatusNotFound, "", "Not Found. Sorry but your %s is in another castle.", kind)
	case o.project != q.project() && !q.admin():
		return nil, fail(http.StatusForbidden, "", "%s(s) retrieval attempt not allowed - please review your user/project privileges", strings.ToUpper(kind[:1])+kind[1:])
	}
	return o, nil
}

func showSecret(q *call) (any, error) {
	o, err := q.secret("secret")
	if err != nil {
		return nil, err
	}
	return q.secretView(o), nil
}

func putPayload(q *call) (any, error) {
	o, err := q.secret("secret")
	if err != nil {
		return nil, err
	}
	if o.doc.has("content_types") {
		return nil, fail(http.StatusConflict, "", "Secret already has data, cannot modify it.")
	}
	o.doc["_payload"], o.doc["content_types"] = string(q.raw), doc{"default": q.r.Header.Get("Content-Type")}
	return nil, nil
}

func showPayload(q *call) (any, error) {
	o, err := q.secret("secret")
	if err != nil {
		return nil, err
	}
	if !o.doc.has("content_types") {
		return nil, fail(http.StatusNotFound, "", "Not Found. Sorry but your secret has no payload.")
	}
	kind := o.doc.sub("content_types").str("default")
	if accept := q.r.Header.Get("Accept"); accept != "" && accept != "*/*" && !strings.HasPrefix(kind, accept) {
		return nil, fail(http.StatusNotAcceptable, "", "Not Acceptable")
	}
	q.header.Set("Content-Type", kind)
	return []byte(o.doc.str("_payload")), nil
}

func deleteSecret(kind string) func(*call) (any, error) {
	return func(q *call) (any, error) {
		o, err := q.secret(kind)
		if err != nil {
			return nil, err
		}
		q.remove(o)
		return nil, nil
	}
}

func createContainer(q *call) (any, error) {
	refs := q.body.docs("secret_refs")
	for _, r := range refs {
		if o := q.get("secret", path.Base(r.str("secret_ref"))); o == nil || o.project != q.project() {
			return nil, fail(http.StatusNotFound, "", "Secret provided for '%s' doesn't exist.", r.str("name"))
		}
	}
	o := q.add("container", q.project(), doc{
		"name": q.body["name"], "type": cmpOr(q.body.str("type"), "generic"), "secret_refs": orEmpty(refs), "status": "ACTIVE", "creator_id": q.token.userID,
		"consumers": []doc{}, "created": q.plainNow(), "updated": q.plainNow(),
	})
	q.header.Set("Location", q.ref(o))
	return doc{"container_ref": q.ref(o)}, nil
}

func showContainer(q *call) (any, error) {
	o, err := q.secret("container")
	if err != nil {
		return nil, err
	}
	return q.secretView(o), nil
}

// consumers changes or shows who uses a secret or a container.
func consumers(kind string, change func(list []doc, c doc) []doc) func(*call) (any, error) {
	key := map[string]string{"secret": "_consumers", "container": "consumers"}[kind]
	return func(q *call) (any, error) {
		o, err := q.secret(kind)
		if err != nil {
			return nil, err
		}
		list := change(orEmpty(o.doc.docs(key)), q.body)
		o.doc[key] = list
		if q.r.Method == http.MethodGet {
			return barbicanPage("consumers", list, ""), nil
		}
		return q.secretView(o), nil
	}
}

func withoutConsumer(list []doc, c doc) []doc {
	out := []doc{}
	for _, x := range list {
		same := true
		for name, value := range c {
			same = same && text(x[name]) == text(value)
		}
		if !same {
			out = append(out, x)
		}
	}
	return out
}
