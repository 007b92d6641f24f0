package namespaces

import (
	"bytes"
	"testing"
)

func TestNoSuchName(t *testing.T) {
	header := []byte{0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1}
	question := []byte("\x03www\x07example\x03org\x00\x00\x01\x00\x01")
	options := []byte{0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0}
	for _, x := range []struct {
		name        string
		query, want []byte
	}{
		{"a query with options", bytes.Join([][]byte{header, question, options}, nil), append([]byte{0xab, 0xcd, 0x81, 0x03, 0, 1, 0, 0, 0, 0, 0, 0}, question...)},
		{"an answer", append([]byte{0xab, 0xcd, 0x81}, header[3:]...), nil},
		{"something short", []byte("hello"), nil},
		{"a name that goes beyond the end", append(bytes.Clone(header), 63), append([]byte{0xab, 0xcd, 0x81, 0x03, 0, 1, 0, 0, 0, 0, 0, 0}, 63)},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got := noSuchName(x.query); !bytes.Equal(got, x.want) {
				t.Errorf("got %x, want %x", got, x.want)
			}
		})
	}
}
