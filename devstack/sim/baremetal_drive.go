package sim

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// maxDrive is how large the partition for it is.
const maxDrive = 64 << 20

// readDrive reads the config drive of a request: meta_data, and user_data as bytes. nil when there is none.
func (q *call) readDrive(node *object, verb string) (doc, error) {
	given := q.body["configdrive"]
	if given == nil || given == "" || len(asDoc(given)) == 0 && asDoc(given) != nil {
		return nil, nil
	}
	if verb != "active" && (verb != "rebuild" || q.microversion() < 35) {
		return nil, badRequest("Adding a config drive is only supported when setting provision state to active, rebuild")
	}
	if s, is := given.(string); is {
		return readDriveImage(s)
	}
	in := asDoc(given)
	if in == nil {
		return nil, badRequest("Invalid configdrive format: %v is not valid under any of the given schemas", given)
	}
	if q.microversion() < 56 {
		return nil, badRequest("Providing a JSON object for configdrive is only supported starting with API version 1.56")
	}
	for key, value := range in {
		switch key {
		case "meta_data", "network_data", "vendor_data":
			if value != nil && asDoc(value) == nil {
				return nil, badRequest("Invalid configdrive format: %s is not of type 'object'", key)
			}
		case "user_data":
		default:
			return nil, badRequest("Invalid configdrive format: Additional properties are not allowed ('%s' was unexpected)", key)
		}
	}
	if in.has("vendor_data") && q.microversion() < 59 {
		return nil, badRequest("Providing vendor_data in configdrive is only supported starting with API version 1.59")
	}
	meta := doc{"uuid": node.id, "name": node.name()}
	for key, value := range in.sub("meta_data") {
		meta[key] = value
	}
	user, err := userDataOf(in["user_data"])
	return doc{"meta_data": meta, "user_data": user}, err
}

func userDataOf(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(v), nil
	}
	return json.Marshal(v)
}

// readDriveImage reads the other form: an image of a file system, packed and as text. What is behind a URL the node
// itself would read; here nobody does.
func readDriveImage(s string) (doc, error) {
	if strings.Contains(s, "://") {
		return doc{"meta_data": doc{}}, nil
	}
	packed, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		return nil, badRequest("Invalid base64 encoded configdrive")
	}
	out := doc{"meta_data": doc{}}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return out, nil // Ironic finds that out on the node
	}
	image, err := io.ReadAll(io.LimitReader(zip, maxDrive))
	if err != nil {
		return out, nil
	}
	if raw, err := isoFile(image, "openstack/latest/meta_data.json"); err == nil {
		var meta doc
		if json.Unmarshal(raw, &meta) == nil {
			out["meta_data"] = meta
		}
	}
	if raw, err := isoFile(image, "openstack/latest/user_data"); err == nil {
		out["user_data"] = raw
	}
	return out, nil
}

// An ISO 9660 image begins with 16 empty sectors, and then says where its root folder is.
const (
	isoSector     = 2048
	isoDescriptor = 16 * isoSector
	isoRoot       = isoDescriptor + 156
)

var errNoFile = errors.New("no such file in the image")

// isoFile reads a file of an image. Names are compared without regard to case, since the plain ones are in capitals.
func isoFile(image []byte, path string) ([]byte, error) {
	if len(image) < isoRoot+34 || string(image[isoDescriptor+1:isoDescriptor+6]) != "CD001" {
		return nil, errNoFile
	}
	content, err := isoExtent(image, image[isoRoot:])
	for name := range strings.SplitSeq(path, "/") {
		if err != nil {
			return nil, err
		}
		content, err = isoEntry(image, content, name)
	}
	return content, err
}

// isoEntry finds what a folder has under a name.
func isoEntry(image, folder []byte, name string) ([]byte, error) {
	for at := 0; at+34 <= len(folder); {
		size := int(folder[at])
		if size == 0 { // no record goes over the end of a sector
			at = (at/isoSector + 1) * isoSector
			continue
		}
		record := folder[at:min(at+size, len(folder))]
		at += size
		if len(record) < 34 || 33+int(record[32]) > len(record) {
			return nil, errNoFile
		}
		given, _, _ := strings.Cut(string(record[33:33+int(record[32])]), ";")
		if strings.EqualFold(strings.TrimSuffix(given, "."), name) {
			return isoExtent(image, record)
		}
	}
	return nil, errNoFile
}

// isoExtent is where the content is that a record is about.
func isoExtent(image, record []byte) ([]byte, error) {
	start := uint64(binary.LittleEndian.Uint32(record[2:])) * isoSector
	end := start + uint64(binary.LittleEndian.Uint32(record[10:]))
	if end > uint64(len(image)) {
		return nil, errNoFile
	}
	return image[start:end], nil
}
