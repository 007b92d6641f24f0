package sim

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

const (
	maxUserData = 65535
	maxMetadata = 128
)

// order is a server that somebody wants: everything that a request names, looked up.
type order struct {
	in            doc
	flavor, image *object
	group         *object
	zone          string
	userData      []byte
	volumes       []doc // of the block device mapping
	fromVolume    bool
	nics          []doc
	groups        []string // ids, for ports that are made
}

func createServer(q *call) (any, error) {
	in, err := q.input("server")
	if err != nil {
		return nil, err
	}
	o := &order{in: in}
	for _, check := range []func(*call) error{o.plain, o.lookUp, o.blockDevices, o.fits, o.joins, o.networks, o.quota} {
		if err := check(q); err != nil {
			return nil, err
		}
	}
	server := o.place(q)
	q.build(server, o)
	return doc{"server": doc{
		"id": server.id, "links": q.links("servers", server.id), "OS-DCF:diskConfig": "MANUAL", "adminPass": hexID()[:12],
		"security_groups": []doc{{"name": "default"}},
	}}, nil
}

// plain checks what needs nothing but the request.
func (o *order) plain(q *call) error {
	in := o.in
	name := in.str("name")
	if name == "" || len(name) > 255 {
		return badRequest("Invalid input for field/attribute name. Value: %s. '%s' is too short", name, name)
	}
	if in.num("min_count") > 1 || in.num("max_count") > 1 {
		return badRequest("several servers in one request are not simulated")
	}
	if data := in.str("user_data"); data != "" {
		if len(data) > maxUserData {
			return badRequest("Invalid input for field/attribute user_data. Value: %s.... '%s...' is too long", data[:32], data[:32])
		}
		raw, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return badRequest("Userdata content cannot be decoded")
		}
		o.userData = raw
	}
	metadata := in.sub("metadata")
	if len(metadata) > maxMetadata {
		return fail(http.StatusForbidden, "", "Maximum number of metadata items exceeds %d", maxMetadata)
	}
	for key, value := range metadata {
		if s, ok := value.(string); !ok || len(s) > 255 || len(key) > 255 || key == "" {
			return badRequest("Invalid input for field/attribute metadata. Value: %v. %v is not of type 'string' or is too long", metadata, value)
		}
	}
	if in.has("tags") && q.microversion() < 52 {
		return badRequest("Additional properties are not allowed ('tags' was unexpected)")
	}
	for _, tag := range in.strs("tags") {
		if tag == "" || len(tag) > 60 || strings.ContainsAny(tag, "/,") {
			return badRequest("Invalid input for field/attribute tags. Value: %s. '%s' does not match '^[^,/]*$' or is too long", tag, tag)
		}
	}
	o.zone = cmpOr(in.str("availability_zone"), zones()[0])
	if !slices.Contains(zones(), o.zone) {
		return badRequest("The requested availability zone is not available")
	}
	return nil
}

// lookUp finds flavour, image and key.
func (o *order) lookUp(q *call) error {
	flavor := q.get("flavor", o.in.str("flavorRef"))
	if flavor == nil {
		return badRequest("Flavor %s could not be found.", o.in.str("flavorRef"))
	}
	o.flavor = flavor
	if id := o.in.str("imageRef"); id != "" {
		if _, err := uuid.Parse(id); err != nil {
			return badRequest("Invalid imageRef provided.")
		}
		if o.image = q.seen("image", id); o.image == nil {
			return badRequest("Image %s could not be found.", id)
		}
	}
	if key := o.in.str("key_name"); key != "" && q.get("keypair", q.token.userID+"/"+key) == nil {
		return badRequest("Invalid key_name provided.")
	}
	return nil
}

// blockDevices reads the mapping: which volumes are to be made or attached, and where the server boots from.
func (o *order) blockDevices(q *call) error {
	root := o.image
	for _, d := range o.in.docs("block_device_mapping_v2") {
		first := d.has("boot_index") && d.num("boot_index") == 0
		source, target := d.str("source_type"), d.str("destination_type")
		switch {
		case source == "image" && q.seen("image", d.str("uuid")) == nil:
			return badRequest("Block Device Mapping is Invalid: failed to get image %s.", d.str("uuid"))
		case source == "volume":
			v := q.own("volume", d.str("uuid"))
			if v == nil || v.doc.str("status") != "available" {
				return badRequest("Block Device Mapping is Invalid: failed to get volume %s.", d.str("uuid"))
			}
		case target == "volume" && source != "snapshot" && d.num("volume_size") <= 0:
			return badRequest("Block Device Mapping is Invalid: volume_size is required for %s sources", source)
		}
		if t := d.str("volume_type"); t != "" && q.volumeType(t) == nil {
			return badRequest("Volume type %s could not be found.", t)
		}
		if source == "image" && first {
			root = q.get("image", d.str("uuid"))
			o.fromVolume = target == "volume"
		}
		if source == "volume" && first {
			root, o.fromVolume = q.get("image", q.get("volume", d.str("uuid")).doc.str("_image")), true
		}
		if target == "volume" {
			o.volumes = append(o.volumes, d)
		}
	}
	if root == nil && !o.fromVolume {
		return badRequest("Block Device Mapping is Invalid: You specified a block device mapping without a boot device, or no image.")
	}
	if !o.fromVolume && o.image == nil {
		return badRequest("Invalid imageRef provided.")
	}
	o.image = root
	return nil
}

// fits compares image and flavour.
func (o *order) fits(*call) error {
	if o.image == nil {
		return nil
	}
	if status := o.image.doc.str("status"); status != "active" {
		return badRequest("Image %s is not active.", o.image.id)
	}
	if o.flavor.doc.num("ram") < o.image.doc.num("min_ram") {
		return badRequest("Flavor's memory is too small for requested image.")
	}
	disk := o.flavor.doc.num("disk")
	if o.fromVolume {
		return nil
	}
	if disk == 0 {
		return fail(http.StatusForbidden, "", "Only volume-backed servers are allowed for flavors with zero disk.")
	}
	if need := o.image.doc.num("min_disk"); disk < need {
		return badRequest("Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is %d bytes, minimum size is %d bytes.", disk<<30, need<<30)
	}
	return nil
}

func (o *order) joins(q *call) error {
	hints := q.body.sub("os:scheduler_hints")
	if hints == nil {
		hints = q.body.sub("OS-SCH-HNT:scheduler_hints")
	}
	id := hints.str("group")
	if id == "" {
		return nil
	}
	if o.group = q.own("server_group", id); o.group == nil {
		return badRequest("Instance group %s could not be found.", id)
	}
	if q.over("server_group_members", q.project(), len(q.with("server", "_group", id)), 1) {
		return fail(http.StatusForbidden, "", "Quota exceeded, too many servers in group")
	}
	return nil
}

// networks finds out what the server is to be plugged into.
func (o *order) networks(q *call) error {
	wish := o.in["networks"]
	if wish == nil && q.microversion() >= 37 {
		return badRequest("Invalid input for field/attribute server. Value: {...}. 'networks' is a required property")
	}
	if wish == "none" {
		return nil
	}
	if wish == nil || wish == "auto" {
		own := q.find("network", func(n *object) bool { return n.project == q.project() })
		if len(own) > 1 {
			return fail(http.StatusConflict, "", "Multiple possible networks found, use a Network ID to be more specific.")
		}
		for _, n := range own {
			o.nics = append(o.nics, doc{"uuid": n.id})
		}
		return nil
	}
	for _, g := range o.in.docs("security_groups") {
		group := q.first("security_group", func(x *object) bool {
			return x.project == q.project() && (x.id == g.str("name") || x.name() == g.str("name"))
		})
		if group == nil {
			return badRequest("Security group %s not found for project %s.", g.str("name"), q.project())
		}
		o.groups = append(o.groups, group.id)
	}
	o.nics = o.in.docs("networks")
	for _, nic := range o.nics {
		if err := q.checkNIC(nic); err != nil {
			return err
		}
	}
	return nil
}

func (q *call) checkNIC(nic doc) error {
	if id := nic.str("port"); id != "" {
		port := q.own("port", id)
		if port == nil {
			return badRequest("Port id %s could not be found.", id)
		}
		if port.doc.str("device_id") != "" {
			return fail(http.StatusConflict, "", "Port %s is still in use.", id)
		}
		if len(port.doc.docs("fixed_ips")) == 0 {
			return badRequest("Port %s requires a FixedIP in order to be used.", id)
		}
		return nil
	}
	network := q.seen("network", nic.str("uuid"))
	if network == nil {
		return badRequest("Network %s could not be found.", nic.str("uuid"))
	}
	if network.doc.flag("router:external", false) && !network.doc.flag("shared", false) && !q.admin() {
		return fail(http.StatusForbidden, "", "It is not allowed to create an interface on external network %s", network.id)
	}
	if len(q.subnetsOf(network.id)) == 0 {
		return badRequest("Network %s requires a subnet in order to boot instances on.", network.id)
	}
	if q.over("port", q.project(), q.count("port", q.project()), 1) {
		return fail(http.StatusForbidden, "", "Maximum number of ports exceeded")
	}
	return nil
}

func (o *order) quota(q *call) error {
	used := q.used(q.project())
	want := map[string]int{"instances": 1, "cores": o.flavor.doc.num("vcpus"), "ram": o.flavor.doc.num("ram")}
	var names, more, taken, limits []string
	for _, name := range []string{"cores", "instances", "ram"} {
		if q.over(name, q.project(), used[name], want[name]) {
			names = append(names, name)
			more = append(more, text(want[name]))
			taken = append(taken, text(used[name]))
			limits = append(limits, text(q.quota(q.project(), name)))
		}
	}
	if len(names) == 0 {
		return nil
	}
	join := func(l []string) string { return strings.Join(l, ", ") }
	return fail(http.StatusForbidden, "", "Quota exceeded for %s: Requested %s, but already used %s of %s %s", join(names), join(more), join(taken), join(limits), join(names))
}
