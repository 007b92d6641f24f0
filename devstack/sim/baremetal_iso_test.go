package sim

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"maps"
	"slices"
	"testing"
)

// isoImage packs an image with files in openstack/latest.
func isoImage(t *testing.T, files map[string]string) []byte {
	t.Helper()
	image := make([]byte, 20*isoSector)
	record := func(name string, sector, size int) []byte {
		r := make([]byte, 33+len(name)+(len(name)+1)%2)
		r[0], r[32] = byte(len(r)), byte(len(name))
		binary.LittleEndian.PutUint32(r[2:], uint32(sector))
		binary.LittleEndian.PutUint32(r[10:], uint32(size))
		copy(r[33:], name)
		return r
	}
	copy(image[isoDescriptor:], "\x01CD001\x01")
	copy(image[isoRoot:], record("\x00", 17, isoSector))
	folder := func(sector int, records ...[]byte) {
		self := append(record("\x00", sector, isoSector), record("\x01", sector, isoSector)...)
		copy(image[sector*isoSector:], append(self, bytes.Join(records, nil)...))
	}
	folder(17, record("OPENSTACK", 18, isoSector))
	folder(18, record("LATEST", 19, isoSector))
	var entries [][]byte
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, record(name, len(image)/isoSector, len(files[name])))
		content := make([]byte, isoSector)
		copy(content, files[name])
		image = append(image, content...)
	}
	folder(19, entries...)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	must[int](t)(zip.Write(image))
	ok(t, zip.Close())
	return packed.Bytes()
}
