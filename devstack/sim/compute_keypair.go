package sim

import (
	"github.com/google/uuid"
	"net/http"
	"strings"
)

// Keypairs belong to a user, in whatever project.

func (q *call) keypairUser() string {
	if user := q.query.Get("user_id"); user != "" && q.admin() {
		return user
	}
	return q.token.userID
}

func (q *call) keypair() (*object, error) {
	if o := q.get("keypair", q.keypairUser()+"/"+q.arg("name")); o != nil {
		return o, nil
	}
	return nil, fail(http.StatusNotFound, "", "Keypair %s not found for user %s", q.arg("name"), q.keypairUser())
}

func listKeypairs(q *call) (any, error) {
	out := []doc{}
	for _, o := range q.with("keypair", "user_id", q.keypairUser()) {
		out = append(out, doc{"keypair": q.shortKeypair(o, "name", "public_key", "fingerprint")})
	}
	return doc{"keypairs": out}, nil
}

func createKeypair(q *call) (any, error) {
	in, err := q.input("keypair")
	if err != nil {
		return nil, err
	}
	name, user := in.str("name"), cmpOr(in.str("user_id"), q.token.userID)
	id := user + "/" + name
	switch {
	case name == "":
		return nil, badRequest("Invalid input for field/attribute name. Value: . '' is too short")
	case len(strings.Fields(in.str("public_key"))) < 2:
		return nil, badRequest("Keypair data is invalid: failed to generate fingerprint")
	case user != q.token.userID && !q.admin():
		return nil, fail(http.StatusForbidden, "", "Policy doesn't allow os_compute_api:os-keypairs:create to be performed.")
	case q.get("keypair", id) != nil:
		return nil, fail(http.StatusConflict, "", "Key pair '%s' already exists.", name)
	}
	if q.microversion() >= 2 {
		q.status = http.StatusCreated
	}
	o := q.put(&object{kind: "keypair", id: id, doc: doc{
		"name": name, "user_id": user, "public_key": in.str("public_key"), "type": cmpOr(in.str("type"), "ssh"), "created_at": q.now(),
		"fingerprint": uuid.NewMD5(uuid.Nil, []byte(in.str("public_key"))).String(), "id": int(q.seq), "deleted": false,
	}})
	return doc{"keypair": q.shortKeypair(o, "name", "public_key", "fingerprint", "user_id")}, nil
}

// shortKeypair is what lists and creates answer: less than a look at one.
func (q *call) shortKeypair(o *object, fields ...string) doc {
	if q.microversion() >= 2 {
		fields = append(fields, "type")
	}
	out := doc{}
	for _, f := range fields {
		out[f] = o.doc[f]
	}
	return out
}

func showKeypair(q *call) (any, error) {
	o, err := q.keypair()
	if err != nil {
		return nil, err
	}
	return doc{"keypair": o.doc.public()}, nil
}

func deleteKeypair(q *call) (any, error) {
	o, err := q.keypair()
	if err != nil {
		return nil, err
	}
	if q.microversion() >= 2 {
		q.status = http.StatusNoContent
	}
	q.remove(o)
	return nil, nil
}
