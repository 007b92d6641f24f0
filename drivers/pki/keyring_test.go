package pki_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
)

func sealKey(fill byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
}

func ring(t testing.TB, fills ...byte) *pki.Keyring {
	t.Helper()
	keys := make([]string, 0, len(fills))
	for _, f := range fills {
		keys = append(keys, sealKey(f))
	}
	k, err := pki.NewKeyring(keys)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNewKeyringRefuses(t *testing.T) {
	tests := []struct {
		name string
		keys []string
		want error
	}{
		{"none", nil, pki.ErrNoKey},
		{"empty", []string{""}, pki.ErrKeyFormat},
		{"too short", []string{base64.StdEncoding.EncodeToString(make([]byte, 16))}, pki.ErrKeyFormat},
		{"too long", []string{base64.StdEncoding.EncodeToString(make([]byte, 33))}, pki.ErrKeyFormat},
		{"no base64", []string{sealKey(1), "%secret%"}, pki.ErrKeyFormat},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			_, err := pki.NewKeyring(tc.keys)
			if !errors.Is(err, tc.want) {
				t.Fatalf("error %v, want %v", err, tc.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the key: %v", err)
			}
		})
	}
}

func TestKeyringRotation(t *testing.T) {
	older := ring(t, 1)
	sealed := older.Seal([]byte("the key"), "row 7")
	both := ring(t, 2, 1)
	got, err := both.Open(sealed, "row 7")
	if err != nil || string(got) != "the key" {
		t.Fatalf("%q, %v", got, err)
	}
	if older.Stale(sealed) || !both.Stale(sealed) {
		t.Error("what was sealed with the second key is stale, with the first it is not")
	}
	renewed := both.Seal(got, "row 7")
	if both.Stale(renewed) {
		t.Error("just sealed and stale")
	}
	if got, err := ring(t, 2).Open(renewed, "row 7"); err != nil || string(got) != "the key" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := ring(t, 2).Open(sealed, "row 7"); !errors.Is(err, pki.ErrUnknownKey) {
		t.Errorf("error %v", err)
	}
	if older.Seal([]byte("the key"), "row 7") == sealed {
		t.Error("the same nonce twice")
	}
}

func TestKeyringRoundTrip(t *testing.T) {
	k := ring(t, 1, 2)
	rapid.Check(t, func(rt *rapid.T) {
		plain, aad := rapid.SliceOf(rapid.Byte()).Draw(rt, "plain"), rapid.String().Draw(rt, "aad")
		sealed := k.Seal(plain, aad)
		got, err := k.Open(sealed, aad)
		if err != nil || !bytes.Equal(got, plain) {
			rt.Fatalf("%x, %v", got, err)
		}
		if _, err := k.Open(sealed, aad+"x"); !errors.Is(err, pki.ErrSealBroken) {
			rt.Fatalf("opens elsewhere: %v", err)
		}
		damaged := []byte(sealed)
		damaged[rapid.IntRange(0, len(damaged)-1).Draw(rt, "at")] ^= 1
		if _, err := k.Open(string(damaged), aad); err == nil {
			rt.Fatalf("opens damaged")
		}
	})
	for _, text := range []string{"", "v1", "v1..", "v2.000000000000.AA", "v1.000000000000"} {
		if _, err := k.Open(text, ""); !errors.Is(err, pki.ErrSealBroken) {
			t.Errorf("%q: %v", text, err)
		}
		if !k.Stale(text) {
			t.Errorf("%q is not stale", text)
		}
	}
}
